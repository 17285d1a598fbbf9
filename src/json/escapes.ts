const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const REPLACEMENT = 0xfffd;

/** What the second byte of an escape of two bytes stands for. */
const MEANS = new Uint8Array(256);
for (const [escape, char] of ['""', "\\\\", "//", "b\b", "f\f", "n\n", "r\r", "t\t"])
  MEANS[escape?.charCodeAt(0) ?? 0] = char?.charCodeAt(0) ?? 0;

/**
 * Writes the text with escapes that stands in a JSON document at `source[from .. to)`, without its quotes, as UTF-8 to
 * `target` from `at` on, and gives the place after it. It never takes more bytes there. A lone surrogate becomes
 * U+FFFD. The escapes must have been checked, as `readDocument` does.
 */
export function writeUnescaped(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): number {
  let read = from;
  let write = at;
  while (read < to) {
    const byte = source[read]!;
    if (byte !== BACKSLASH) {
      target[write++] = byte;
      read++;
      continue;
    }
    const escape = source[read + 1]!;
    if (escape !== LOWER_U) {
      target[write++] = MEANS[escape]!;
      read += 2;
      continue;
    }
    let code = hexAt(source, read + 2);
    read += 6;
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = read + 6 <= to && source[read + 1] === LOWER_U ? lowAt(source, read) : -1;
      if (code < 0xdc00 && low >= 0) {
        code = 0x10000 + ((code - 0xd800) << 10) + low;
        read += 6;
      } else code = REPLACEMENT;
    }
    write = writeCode(code, target, write);
  }
  return write;
}

/** The ten bits of a low surrogate that is escaped at `at`; -1 if there is another character. */
function lowAt(source: Uint8Array, at: number): number {
  if (source[at] !== BACKSLASH) return -1;
  const code = hexAt(source, at + 2);
  return code >= 0xdc00 && code <= 0xdfff ? code - 0xdc00 : -1;
}

function hexAt(source: Uint8Array, at: number): number {
  let code = 0;
  for (let digit = at; digit < at + 4; digit++) {
    const byte = source[digit]!;
    // The letters of both cases end in 1 to 6.
    code = (code << 4) | (byte <= 0x39 ? byte - 0x30 : (byte & 7) + 9);
  }
  return code;
}

function writeCode(code: number, target: Uint8Array, at: number): number {
  let write = at;
  if (code < 0x80) {
    target[write++] = code;
    return write;
  }
  if (code < 0x800) {
    target[write++] = 0xc0 | (code >> 6);
  } else {
    if (code < 0x10000) {
      target[write++] = 0xe0 | (code >> 12);
    } else {
      target[write++] = 0xf0 | (code >> 18);
      target[write++] = 0x80 | ((code >> 12) & 0x3f);
    }
    target[write++] = 0x80 | ((code >> 6) & 0x3f);
  }
  target[write++] = 0x80 | (code & 0x3f);
  return write;
}
