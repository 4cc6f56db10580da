export { defineGenerator, type Generator } from './generator.ts';
export { generators } from './registry.ts';
export { generatorSpec, generatorText, openGenerator } from './stream.ts';
export { isGeneratorText, openGeneratorText, parseSettings } from './text.ts';
