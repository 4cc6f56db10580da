export { isNativeTrace, nativeVersion } from './layout.ts';
export { importerVersion, type NativeManifest, type NativeSource } from './manifest.ts';
export { type NativeReader, openNative } from './reader.ts';
export { createNativeWriter, type NativeWriter, type WriteNativeOptions, writeNative } from './writer.ts';
