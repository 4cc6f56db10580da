/** A turn of the event loop between two pieces of work: an interrupt is seen, and progress is drawn. */
export function breathe(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}
