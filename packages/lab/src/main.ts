import { runCommandLine } from './command-line.ts';
import { endQuietlyWhenReaderGoes } from './terminal/pipe.ts';

endQuietlyWhenReaderGoes();
process.exitCode = await runCommandLine(process.argv.slice(2));
