import { endAtInterrupt } from './terminal/first-interrupt.ts';

endAtInterrupt();
// Loaded only now, since loading takes longer than a user may need to change their mind.
const { endQuietlyWhenReaderGoes } = await import('./terminal/pipe.ts');
const { runCommandLine } = await import('./command-line.ts');
endQuietlyWhenReaderGoes();
process.exitCode = await runCommandLine(process.argv.slice(2));
