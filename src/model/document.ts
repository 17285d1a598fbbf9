/**
 * A JSON text that has been read but not turned into values: its bytes, and where in them each value is. Whoever wants
 * a value takes that one alone; numbers still have all their digits, and text is not decoded.
 *
 * The tape has four words for each value: its kind, the byte where it begins, the byte after its end (for text without
 * the quotes), and the place in the tape after it and all that is in it. The values of a list follow it; each member of
 * an object follows as its key (one word: the number) and its value. The whole document is the value at 0. Kinds are the
 * constants of `json/document.ts`.
 */
export interface JsonDocument {
  /** Valid UTF-8 without a byte order mark. */
  readonly bytes: Uint8Array;
  /** The same bytes, to be read as words. */
  readonly view: DataView;
  readonly tape: Uint32Array;
  /** Keys by number. The same list in two documents: the same numbers. One key may have several. */
  readonly keys: readonly string[];
  /** Whether `JSON.parse` would change a number: an integer beyond 2^53 or one beyond a double. May be wrongly true. */
  readonly hasLongNumbers: boolean;
}
