export * from './applications.ts';
export * from './costs.ts';
export * from './simulate.ts';
