import { MessageChannel } from "node:worker_threads";

const { port1: nowhere } = new MessageChannel();
nowhere.close();

/**
 * Frees the memory of buffers at once, and leaves them empty. The collector would do it too, but sees a small object where
 * there are megabytes: tens of them are free only some pages later, and make it collect a heap that has no garbage
 * (decision 31). They go where messages to a closed port go.
 *
 * @param buffers Each one once; none that was transferred already.
 */
export function discard(buffers: readonly ArrayBuffer[]): void {
  nowhere.postMessage(undefined, buffers);
}
