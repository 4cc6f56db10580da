/** `strata trace head | head -1`: a reader that has enough is no error. */
export function endQuietlyWhenReaderGoes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(
      `strata: standard output: cannot write${error.code === 'ENOSPC' ? ': no space left on the device' : `: ${error.message}`}.\n`,
    );
    process.exit(2);
  });
}
