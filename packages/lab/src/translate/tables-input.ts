import { StrataError } from '@strata/model/machine';

/** What is read as page tables is told as such where it is empty: reading files in general knows of traces only. */
export async function ofTables<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof StrataError && error.code === 'trace.empty')) throw error;
    throw new StrataError({
      code: 'tables.empty',
      what: 'the file is empty',
      ...(error.where === undefined ? {} : { where: error.where }),
      expected: 'page tables',
      mend: 'Dump the table while the program runs.',
    });
  }
}
