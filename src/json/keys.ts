/** The key around the whole document, and before the first key of an object. */
export const NONE = 0;
/** Keys after which a table has seen enough. */
const MOST = 8192;
/** How many keys of the usual order may be missing before a key is looked up. */
const MISSING = 4;
/** Bytes that are compared at once. */
const WORD = 4;
/** A size that fits into no document. */
const NEVER = 2 ** 32 - 1;
/** What is known of a key: where its words begin, bytes with quotes and colon, the key after it, the first one in it. */
const START = 0;
const SIZE = 1;
const NEXT = 2;
const FIRST = 3;
const ENTRY = 4;
const QUOTE = Buffer.from('"');
const COLON = Buffer.from('":');

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
  /** Each key as it is written, with its quotes and colon, in words; the last word overlaps the one before. */
  #words = new Int32Array(256);
  /** By number `ENTRY` words: see the places in them. */
  #entries = new Uint32Array(64 * ENTRY);

  get isFull(): boolean {
    return this.names.length > MOST;
  }

  /**
   * The number of the key that stands at `at`, beginning with its quote, if it is one of those expected after `before`
   * in an object at the place `parent`, and a colon follows at once; otherwise `NONE`.
   */
  guess(parent: number, before: number, view: DataView, at: number): number {
    const entries = this.#entries;
    let number = before === NONE ? entries[parent * ENTRY + FIRST]! : entries[before * ENTRY + NEXT]!;
    for (let hop = 0; hop < MISSING && number !== NONE; hop++) {
      if (this.#stands(number, view, at)) return number;
      number = entries[number * ENTRY + NEXT]!;
    }
    return NONE;
  }

  /** Bytes of a key with its quotes and colon. */
  sizeOf(number: number): number {
    return this.#entries[number * ENTRY + SIZE]!;
  }

  /** The number of the key whose bytes, without quotes, are `bytes[from .. to)`. */
  numberOf(parent: number, before: number, bytes: Uint8Array, from: number, to: number): number {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("utf8");
    const siblings = this.#inside[parent]!;
    let number = siblings.get(text);
    if (number === undefined) {
      number = this.#add(text, bytes, from, to);
      siblings.set(text, number);
    }
    if (before === NONE) this.#entries[parent * ENTRY + FIRST] = number;
    else this.#entries[before * ENTRY + NEXT] = number;
    return number;
  }

  #stands(number: number, view: DataView, at: number): boolean {
    const entries = this.#entries;
    const last = at + entries[number * ENTRY + SIZE]! - WORD;
    // Not the view's last word either: see `plainEnd` in `document.ts`.
    if (last + 2 * WORD > view.byteLength) return false;
    const words = this.#words;
    let word = entries[number * ENTRY + START]!;
    for (; at < last; at += WORD, word++) if (words[word] !== view.getInt32(at, true)) return false;
    return words[word] === view.getInt32(last, true);
  }

  #add(text: string, bytes: Uint8Array, from: number, to: number): number {
    const number = this.names.length;
    const entry = number * ENTRY;
    if (entry + ENTRY === this.#entries.length)
      this.#entries = grown(this.#entries, new Uint32Array(2 * (entry + ENTRY)));
    const written = Buffer.concat([QUOTE, bytes.subarray(from, to), COLON]);
    const size = written.length;
    let word = this.#entries[entry + START]!;
    const needed = word + Math.ceil(size / WORD);
    if (needed > this.#words.length) this.#words = grown(this.#words, new Int32Array(2 * needed));
    for (let at = 0; at + WORD < size; at += WORD) this.#words[word++] = written.readInt32LE(at);
    // The empty key is shorter than a word: it is never guessed.
    if (size >= WORD) this.#words[word++] = written.readInt32LE(size - WORD);
    this.#entries[entry + SIZE] = size < WORD ? NEVER : size;
    this.#entries[entry + ENTRY + START] = word;
    this.names.push(text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text);
    this.#inside.push(new Map());
    return number;
  }
}

function grown<T extends Int32Array | Uint32Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
