/** The key around the whole document, and before the first key of an object. */
export const NONE = 0;
/** Keys after which a table has seen enough. */
const MOST = 8192;
/** How many keys of the usual order may be missing before a key is looked up. */
const MISSING = 4;

/**
 * The keys of documents, each with a number: in a document's tape stand the numbers. A key has one number for each place
 * where it occurs: `id` of a call is another one than `id` of a tag. The records of an API have the same keys in the
 * same order, so the table also remembers which key came after which: a key that is guessed right costs one comparison
 * of bytes, and nothing is decoded.
 *
 * A table may serve many documents, so that numbers stay the same from page to page; `isFull` says when to start a new
 * one, since objects with ids for keys would let it grow without end.
 */
export class Keys {
  /** Keys by number, from 1 on. One that is written in two ways, with escapes and without, has two numbers. */
  readonly names: string[] = [""];
  /** By number: the numbers of the keys in the objects at this place, as they are written. */
  readonly #inside: Map<string, number>[] = [new Map()];
  /** The bytes of each key as it is written, with the closing quote, end to end. */
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  /** Where each key's bytes begin, and after the last one where they end. */
  #starts = new Uint32Array(64);
  /** By number: the key that comes after this one as a rule. */
  #next = new Uint32Array(64);
  /** By number: the key that comes first in the objects at this place as a rule. */
  #first = new Uint32Array(64);

  get isFull(): boolean {
    return this.names.length > MOST;
  }

  /**
   * The number of the key that stands at `at`, behind its opening quote, if it is one of those expected after `before`
   * in an object at the place `parent`; otherwise `NONE`.
   */
  guess(parent: number, before: number, view: DataView, at: number, limit: number): number {
    let number = before === NONE ? this.#first[parent]! : this.#next[before]!;
    for (let hop = 0; hop < MISSING && number !== NONE; hop++) {
      if (this.#stands(number, view, at, limit)) return number;
      number = this.#next[number]!;
    }
    return NONE;
  }

  /** Bytes of a key and its closing quote. */
  sizeOf(number: number): number {
    return this.#starts[number + 1]! - this.#starts[number]!;
  }

  /** The number of the key whose bytes, closing quote included, are `bytes[from .. to)`. */
  numberOf(parent: number, before: number, bytes: Uint8Array, from: number, to: number): number {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from - 1).toString("utf8");
    const siblings = this.#inside[parent]!;
    let number = siblings.get(text);
    if (number === undefined) {
      number = this.#add(text, bytes, from, to);
      siblings.set(text, number);
    }
    if (before === NONE) this.#first[parent] = number;
    else this.#next[before] = number;
    return number;
  }

  #stands(number: number, view: DataView, at: number, limit: number): boolean {
    const end = this.#starts[number + 1]!;
    let own = this.#starts[number]!;
    if (at + end - own > limit) return false;
    const mine = this.#view;
    for (; own + 4 <= end; own += 4, at += 4)
      if (mine.getInt32(own, true) !== view.getInt32(at, true)) return false;
    for (; own < end; own++, at++) if (mine.getUint8(own) !== view.getUint8(at)) return false;
    return true;
  }

  #add(text: string, bytes: Uint8Array, from: number, to: number): number {
    const number = this.names.length;
    const start = this.#starts[number]!;
    const end = start + to - from;
    if (end > this.#bytes.length) {
      this.#bytes = grown(this.#bytes, new Uint8Array(2 * end));
      this.#view = new DataView(this.#bytes.buffer);
    }
    this.#bytes.set(bytes.subarray(from, to), start);
    if (number + 1 === this.#starts.length) {
      this.#starts = grown(this.#starts, new Uint32Array(2 * number + 2));
      this.#next = grown(this.#next, new Uint32Array(2 * number + 2));
      this.#first = grown(this.#first, new Uint32Array(2 * number + 2));
    }
    this.#starts[number + 1] = end;
    this.names.push(text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text);
    this.#inside.push(new Map());
    return number;
  }
}

function grown<T extends Uint8Array | Uint32Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
