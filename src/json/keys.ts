/** The key around the whole document, and before the first key of an object. */
export const NONE = 0;
/** Keys after which a table has seen enough. */
const MOST = 8192;
/** What is known of a key, in words: where it is written, its size, the key after it, the first one in it. */
const AT = 0;
const SIZE = 1;
const NEXT = 2;
const FIRST = 3;
export const ENTRY_WORDS = 4;
const QUOTE = Buffer.from('"');
const COLON = Buffer.from('":');

/** Where the entries and the writing of keys are in the memory of whoever reads documents. */
export interface KeyMemory {
  /** `ENTRY_WORDS` words for each number below a limit. */
  readonly entries: Uint32Array;
  readonly written: Uint8Array;
  /** Address of the first byte of `written`. */
  readonly address: number;
}

/**
 * The keys of documents, each with a number: in a document's tape stand the numbers. A key has one number for each place
 * where it occurs: `id` of a call is another one than `id` of a tag. The records of an API have the same keys in the
 * same order, so the table also remembers which key came after which: a key that is guessed right costs one comparison
 * of bytes, and nothing is decoded. The guessing is done in `wasm/read-document.ts`, which asks here for all others.
 *
 * A table may serve many documents, so that numbers stay the same from page to page; `isFull` says when to start a new
 * one, since objects with ids for keys would let it grow without end.
 */
export class Keys {
  /** Keys by number, from 1 on. One that is written in two ways, with escapes and without, has two numbers. */
  readonly names: string[] = [""];
  /** By number: the numbers of the keys in the objects at this place, as they are written. */
  readonly #inside: Map<string, number>[] = [new Map()];
  /** By number `ENTRY_WORDS` words. */
  #entries = new Uint32Array(64 * ENTRY_WORDS);
  /** Each key with its quotes and colon. */
  #written = Buffer.alloc(1024);
  #used = 0;

  get isFull(): boolean {
    return this.names.length > MOST;
  }

  /** The number of the key whose bytes, without quotes, are `bytes[from .. to)`; `memory` learns of it. */
  numberOf(
    memory: KeyMemory,
    parent: number,
    before: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): number {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("utf8");
    const siblings = this.#inside[parent]!;
    let number = siblings.get(text);
    if (number === undefined) {
      number = this.#add(text, bytes.subarray(from, to));
      siblings.set(text, number);
      this.#tell(memory, number);
    }
    const known = before === NONE ? parent : before;
    this.#entries[known * ENTRY_WORDS + (before === NONE ? FIRST : NEXT)] = number;
    this.#tell(memory, known);
    return number;
  }

  /** Writes all that is known to a memory that has nothing, or the keys of another table. */
  tellAll(memory: KeyMemory): void {
    for (let number = 0; number < this.names.length; number++) this.#tell(memory, number);
  }

  /**
   * Keys that have no room there are never guessed. Nor are those that are shorter than a word, with quotes and colon:
   * the empty one.
   */
  #tell({ entries, written, address }: KeyMemory, number: number): void {
    const most = entries.length / ENTRY_WORDS;
    if (number >= most) return;
    const entry = number * ENTRY_WORDS;
    const at = this.#entries[entry + AT]!;
    const size = this.#entries[entry + SIZE]!;
    if (this.#fits(number, most, written.length)) written.set(this.#written.subarray(at, at + size), at);
    const guessable = (key: number): number => (this.#fits(key, most, written.length) ? key : NONE);
    entries[entry + AT] = address + at;
    entries[entry + SIZE] = size;
    entries[entry + NEXT] = guessable(this.#entries[entry + NEXT]!);
    entries[entry + FIRST] = guessable(this.#entries[entry + FIRST]!);
  }

  #fits(number: number, most: number, room: number): boolean {
    const at = this.#entries[number * ENTRY_WORDS + AT]!;
    const size = this.#entries[number * ENTRY_WORDS + SIZE]!;
    return number < most && size >= 4 && at + size <= room;
  }

  #add(text: string, key: Uint8Array): number {
    const number = this.names.length;
    const entry = number * ENTRY_WORDS;
    if (entry === this.#entries.length) this.#entries = grown(this.#entries, new Uint32Array(2 * entry));
    const written = Buffer.concat([QUOTE, key, COLON]);
    const end = this.#used + written.length;
    if (end > this.#written.length) this.#written = grown(this.#written, Buffer.alloc(2 * end));
    this.#written.set(written, this.#used);
    this.#entries[entry + AT] = this.#used;
    this.#entries[entry + SIZE] = written.length;
    this.#used = end;
    this.names.push(text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text);
    this.#inside.push(new Map());
    return number;
  }
}

function grown<T extends Uint8Array | Uint32Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
