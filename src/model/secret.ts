import { inspect } from "node:util";

const MASK = "***";

/**
 * A value that no output can print: string conversion, JSON, `console.log` and `util.inspect` all show its name only.
 * `reveal()` is called in one place, where a request is authorized.
 *
 * @example
 * const key = new Secret("api_key", "s3cr3t");
 * `${key}`;            // "[secret api_key]"
 * key.reveal();        // "s3cr3t"
 */
export class Secret {
  readonly name: string;
  readonly #value: string;

  constructor(name: string, value: string) {
    this.name = name;
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return `[secret ${this.name}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/**
 * Hides known secret values in text that leaves the process (events, errors, logs, report, state). It works by value,
 * not by field name, and knows the encoded forms a secret takes on its way: percent-encoded, form-encoded,
 * JSON-escaped, base64 (also of `value:` and `:value`, as HTTP Basic joins them).
 *
 * Values shorter than four characters are not hidden: they would turn ordinary text into asterisks.
 */
export class Redactor {
  #forms: string[] = [];

  /** Registers a secret value. Call it before the value is used anywhere. */
  add(value: string): void {
    if (value.length < 4) return;
    const percent = encodeURIComponent(value.toWellFormed());
    const forms = new Set([
      value,
      percent,
      percent.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
      percent.replaceAll("%20", "+"),
      new URLSearchParams([["", value]]).toString().slice(1),
      JSON.stringify(value).slice(1, -1),
      ...base64Forms(value),
    ]);
    // Longest first, so that a secret that contains another one is hidden whole.
    this.#forms = [...new Set([...this.#forms, ...forms])].sort((a, b) => b.length - a.length);
  }

  /** The text with every known secret replaced by `***`. */
  redact(text: string): string {
    let result = text;
    for (const form of this.#forms) {
      if (result.includes(form)) result = result.replaceAll(form, MASK);
    }
    return result;
  }

  /** A copy of a plain value in which every string (keys too) is redacted. */
  redactDeep<T>(value: T): T {
    if (this.#forms.length === 0) return value;
    return this.#walk(value) as T;
  }

  #walk(value: unknown): unknown {
    if (typeof value === "string") return this.redact(value);
    if (Array.isArray(value)) return value.map((item) => this.#walk(item));
    if (typeof value === "object" && value !== null && !(value instanceof Secret)) {
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [this.redact(key), this.#walk(item)]),
      );
    }
    return value;
  }
}

/**
 * The parts of a base64 text that depend on the secret alone, whatever stands before and after it (three alignments),
 * in the standard and the URL alphabet.
 */
function base64Forms(value: string): string[] {
  const forms: string[] = [];
  for (const shift of [0, 1, 2]) {
    const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(value)]);
    const skip = shift === 0 ? 0 : shift + 1;
    const whole = Math.floor((bytes.length * 8) / 6);
    const text = bytes.toString("base64").slice(skip, whole);
    if (text.length >= 6) forms.push(text, text.replaceAll("+", "-").replaceAll("/", "_"));
  }
  return forms;
}
