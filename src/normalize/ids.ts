/** Characters in the order of their bytes, so that text order is number order in every database. */
const ALPHABET = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const BYTES = Uint8Array.from(ALPHABET, (char) => char.charCodeAt(0));

/** 2020-01-01T00:00:00Z, in seconds since 1970. */
const EPOCH_SECONDS = 1_577_836_800;
const BLOCK = 2 ** 20;

/** Bytes of one id. */
export const ID_BYTES = 12;
/** 32-bit words of one id. */
export const ID_WORDS = 3;

/**
 * Makes the values of `_sluice_id`: 12 ASCII characters of 6 bits each, made of 32 bits of seconds since 2020, 20
 * random bits, and a counter of 20 bits. When the counter is used up the seconds go on by one and the random bits are
 * new, so ids only ever grow. Two loads that begin in the same second share one with a chance of about one in a
 * million for every million rows.
 *
 * Ids are written as bytes; no string is made. (Words are little-endian, as in all column buffers.)
 */
export class Ids {
  readonly #random: () => number;
  #seconds: number;
  #counter = 0;
  #first = 0;
  #second = 0;
  #low = 0;

  /** `now` in milliseconds since 1970; `random` gives numbers in [0, 1). */
  constructor(now: number, random: () => number) {
    this.#random = random;
    this.#seconds = Math.max(0, Math.floor(now / 1000) - EPOCH_SECONDS);
    this.#startBlock();
  }

  /** Milliseconds since 1970: another one that is made with this or a later `now` gives later ids than this one so far. */
  get after(): number {
    return (this.#seconds + 1 + EPOCH_SECONDS) * 1000;
  }

  /** Writes the next id at `words[at]` to `words[at + 2]`. */
  next(words: Uint32Array, at: number): void {
    if (this.#counter === BLOCK) {
      this.#seconds++;
      this.#startBlock();
    }
    const counter = this.#counter++;
    words[at] = this.#first;
    words[at + 1] = this.#second;
    words[at + 2] = fourBytes(
      this.#low | (counter >>> 18),
      (counter >>> 12) & 63,
      (counter >>> 6) & 63,
      counter & 63,
    );
  }

  #startBlock(): void {
    const random = Math.floor(this.#random() * BLOCK);
    // The 52 high bits as eight characters and the upper four bits of the ninth: 24 + 24 + 4.
    const high = Math.floor(this.#seconds / 256);
    const middle = (this.#seconds % 256) * 65_536 + (random >>> 4);
    this.#first = sixBits(high);
    this.#second = sixBits(middle);
    this.#low = (random & 15) << 2;
    this.#counter = 0;
  }
}

/** Four characters from 24 bits, the first one lowest in memory. */
function sixBits(value: number): number {
  return fourBytes((value >>> 18) & 63, (value >>> 12) & 63, (value >>> 6) & 63, value & 63);
}

function fourBytes(a: number, b: number, c: number, d: number): number {
  return (BYTES[a]! | (BYTES[b]! << 8) | (BYTES[c]! << 16) | (BYTES[d]! << 24)) >>> 0;
}
