import { StrataError } from '@strata/model/machine';
import { needsFile } from '../input/readable.ts';
import { isNativeTrace, nativeVersion, openNative } from '../native/index.ts';
import type { TraceFormat } from './format.ts';

/** Strata's own format (native/layout.ts). It is entered at any place, so it is read from the file itself, not as a stream. */
export const native: TraceFormat = {
  name: 'strata',
  summary: "Strata's own: compressed, seekable, checked, with its manifest",
  record: 'columns of 131,072 accesses per chunk, about one byte per access',
  end: 'manifest, index and trailer; a truncated or damaged file is noticed, with the chunk',
  recognise: ({ bytes }) => (isNativeTrace(bytes) ? { by: 'magic', dialect: `version ${nativeVersion}` } : undefined),
  async open(input, _dialect, options) {
    const { path, compression, isFile } = input;
    await input.close();
    if (!isFile) throw needsFile(path, "a trace in Strata's own format");
    if (compression.length === 0) return openNative(path, options);
    throw new StrataError({
      code: 'trace.archive',
      what: "a trace in Strata's own format cannot be read inside another compression",
      where: path,
      found: compression.join(' in '),
      mend: 'Take the outer compression off first: the format is compressed itself.',
    });
  },
};
