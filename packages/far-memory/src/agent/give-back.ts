import { MessageChannel } from 'node:worker_threads';

/**
 * Frees the memory of buffers now. Left to the collector it would stay until that runs next, and an agent whose clients
 * have gone makes no garbage that would start it: hundreds of megabytes stayed so. A buffer that is sent through a channel belongs to the
 * message, and ends with it when the channel is closed. The buffers are empty afterwards.
 */
export function giveBack(buffers: readonly Buffer<ArrayBuffer>[]): void {
  const { port1, port2 } = new MessageChannel();
  for (const { buffer } of buffers) port1.postMessage(undefined, [buffer]);
  port1.close();
  port2.close();
}
