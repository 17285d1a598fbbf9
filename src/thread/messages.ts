import type { Batch, Column } from "../model/batch.js";
import { type ErrorPlace, type Problem, SluiceError } from "../model/error.js";
import type { ErrorCode } from "../model/error-codes.js";

/** What a thread is for, such as opening connections. All of its values cross between threads. */
export const PLACE = 0;

/** A method to be called in the other thread. */
export interface Call {
  /** Counts up from 1. What the call opens is known by this number afterwards. */
  readonly id: number;
  /** What it is a method of: `PLACE`, or the number of the call that opened it. */
  readonly on: number;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Buffers of the arguments that were handed over. Their memory is freed when the call is answered. */
  readonly handed: readonly ArrayBuffer[];
}

/** Sent instead of a call: no more of them come. What is under way is ended, and then the thread. */
export const END = null;

/** What came of a call: its value, or what it threw. */
export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: CrossingError };

/** Sent instead of an answer: something went wrong outside of all calls, and the thread answers no more. */
export interface Broken {
  /** What it was, without its message, which may quote anything. */
  readonly broken: string;
}

/** What a thread is started with: `idle[0]` is 1 when it was told to end and nothing is under way any more. */
export interface ThreadData {
  readonly idle: Int32Array;
}

/** The name of what went wrong. */
export function nameOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return typeof thrown;
  return "code" in thrown ? `${thrown.name} ${String(thrown.code)}` : thrown.name;
}

/** What is opened stays in its thread: the answer is its number, and what is told of it (`Opens`). */
export type Opened<Told = object> = Told & { readonly id: number };

/** A value of which these buffers are handed over to the thread that asked, instead of copied. */
export class Handed {
  readonly value: unknown;
  readonly buffers: ArrayBuffer[];

  constructor(value: unknown, buffers: ArrayBuffer[]) {
    this.value = value;
    this.buffers = buffers;
  }
}

/** A thrown value as plain data; without its cause, which is the driver's and may quote values. */
export interface CrossingError {
  /** Absent: it was no `SluiceError`, but a defect. */
  readonly code?: ErrorCode;
  readonly message: string;
  readonly at: ErrorPlace;
  readonly hint?: string | undefined;
  readonly problems: readonly Problem[];
  readonly stack?: string | undefined;
}

/** A thrown value, to be sent. */
export function toCrossing(thrown: unknown): CrossingError {
  if (thrown instanceof SluiceError) {
    const { code, message, at, hint, problems, stack } = thrown;
    return { code, message, at, hint, problems, stack };
  }
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { message: error.message, stack: error.stack, at: {}, problems: [] };
}

/** What was thrown in the other thread, as if it had been thrown here. */
export function fromCrossing(crossing: CrossingError): Error {
  const { code, message, at, hint, problems, stack } = crossing;
  const error =
    code === undefined
      ? new Error(message)
      : new SluiceError(code, message, { at, problems, ...(hint === undefined ? {} : { hint }) });
  if (stack !== undefined) error.stack = stack;
  return error;
}

/**
 * A batch with its buffers to be transferred, not copied: afterwards they are empty here. A column whose memory is part
 * of something larger is copied, or the whole would go with it.
 */
export function batchToTransfer(batch: Batch): { readonly batch: Batch; readonly buffers: ArrayBuffer[] } {
  const columns = batch.columns.map(withOwnBuffers);
  const buffers = new Set<ArrayBuffer>();
  for (const column of columns) {
    buffers.add(column.data.buffer as ArrayBuffer);
    if (column.validity !== undefined) buffers.add(column.validity.buffer as ArrayBuffer);
    if (column.kind === "text") buffers.add(column.offsets.buffer as ArrayBuffer);
  }
  return { batch: { ...batch, columns }, buffers: [...buffers] };
}

function withOwnBuffers(column: Column): Column {
  const { validity } = column;
  const shared = !isWhole(column.data) || (validity !== undefined && !isWhole(validity));
  if (!shared && (column.kind !== "text" || isWhole(column.offsets))) return column;
  return {
    ...column,
    data: column.data.slice(),
    ...(validity === undefined ? {} : { validity: validity.slice() }),
    ...(column.kind === "text" ? { offsets: column.offsets.slice() } : {}),
  } as Column;
}

function isWhole(view: ArrayBufferView): boolean {
  return view.buffer instanceof ArrayBuffer && view.byteLength === view.buffer.byteLength;
}
