export { runCommandLine, version } from './command-line.ts';
