import type { MessagePort } from "node:worker_threads";
import { discard } from "../model/discard.js";
import {
  type Answer,
  type Broken,
  type Call,
  END,
  Handed,
  nameOf,
  PLACE,
  type ThreadData,
  toCrossing,
} from "./messages.js";

/** Something that is open in this thread. Arguments and values of its methods are plain data. */
type Held = Readonly<Record<string, (...args: never[]) => unknown>> & Partial<AsyncDisposable>;

/** Methods that open something, which stays here, and what is told of it beside its number. */
export type Opens = Readonly<Record<string, (opened: never) => object>>;

/**
 * Answers the calls that come through a port, until it is told to end.
 *
 * A thread must not be taken down while a driver is at work: the work's end would find no JavaScript to tell, and that
 * aborts the whole process. So it ends by itself when nothing is under way, and a defect does not end it.
 */
export function serve(port: MessagePort, place: object, opens: Opens, { idle }: ThreadData): void {
  const held = new Map<number, Held>([[PLACE, place as Held]]);
  let underWay = 0;
  let isEnding = false;

  async function answer(call: Call): Promise<Answer> {
    const { id, on, method, args } = call;
    try {
      const target = held.get(on);
      if (target === undefined) throw new Error(`nothing is open as number ${on} for ${method}`);
      if (method === "dispose") {
        await target[Symbol.asyncDispose]?.();
        held.delete(on);
        return { id, value: undefined };
      }
      if (isEnding) throw new Error(`the process ends before ${method}`);
      const value = await target[method]!(...(args as never[]));
      if (!Object.hasOwn(opens, method)) return { id, value };
      held.set(id, value as Held);
      return { id, value: { id, ...opens[method]!(value as never) } };
    } catch (error) {
      return { id, error: toCrossing(error) };
    }
  }

  async function take(call: Call): Promise<void> {
    underWay += 1;
    const result = await answer(call);
    underWay -= 1;
    if ("value" in result && result.value instanceof Handed)
      port.postMessage({ id: result.id, value: result.value.value }, result.value.buffers);
    else port.postMessage(result, []);
    discard(call.handed);
    endWhenIdle();
  }

  function endWhenIdle(): void {
    if (!isEnding || underWay > 0) return;
    Atomics.store(idle, 0, 1);
    Atomics.notify(idle, 0);
    port.close();
  }

  port.on("message", (call: Call | typeof END) => {
    if (call !== END) return void take(call);
    isEnding = true;
    endWhenIdle();
  });
  process.on("uncaughtException", (thrown) =>
    port.postMessage({ broken: nameOf(thrown) } satisfies Broken, []),
  );
}
