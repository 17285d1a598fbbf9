import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";
import { afterAll, expect, test } from "vitest";
import { serve } from "./host.js";
import { type Answer, END, PLACE } from "./messages.js";

const MEGABYTES = 64 * 1024 * 1024;
const kept: Uint8Array[] = [];

function sum(values: Uint8Array): number {
  kept.push(values);
  if (values[0] === 9) throw new Error("a nine");
  return values.reduce((total, value) => total + value, 0);
}

const { port1, port2 } = new MessageChannel();
serve(port2, { sum }, {}, { idle: new Int32Array(new SharedArrayBuffer(4)) });
afterAll(() => port1.postMessage(END));

async function call(values: Uint8Array<ArrayBuffer>): Promise<Answer> {
  const handed = [values.buffer];
  port1.postMessage({ id: 1, on: PLACE, method: "sum", args: [values], handed }, handed);
  const [answer] = (await once(port1, "message")) as [Answer];
  return answer;
}

test.each([
  ["its value", 1, { value: MEGABYTES }],
  ["an error", 9, { error: expect.objectContaining({ message: "a nine" }) }],
])(
  "what was handed over is freed when a call is answered with %s, whoever keeps it",
  async (_, first, answer) => {
    const before = process.memoryUsage().arrayBuffers;
    expect(await call(new Uint8Array(MEGABYTES).fill(first))).toMatchObject(answer);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MEGABYTES / 8);
    expect(kept.pop()).toHaveLength(0);
  },
);
