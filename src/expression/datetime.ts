/** An instant as microseconds since 1970-01-01T00:00:00Z; a double holds it exactly until the year 2255. */
export type Micros = number;

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?$/;

/**
 * Reads a date or time: a number, or a text of digits, is seconds since 1970; anything else is ISO 8601. Without a zone
 * it is UTC, as in Airbyte. With `format`, the text is read by strptime codes instead.
 *
 * @throws Error when it is none of these. The value is not in the message.
 */
export function parseInstant(value: unknown, format?: string): Micros {
  if (typeof value === "number" || typeof value === "bigint") return Math.round(Number(value) * 1e6);
  if (typeof value !== "string") throw new Error("expected a date or time");
  if (format !== undefined) return parseByFormat(value, format);
  if (/^[+-]?\d+(?:\.\d+)?$/.test(value)) return Math.round(Number(value) * 1e6);
  const match = ISO.exec(value.trim());
  if (match === null) throw new Error("the value is not a date or time in ISO 8601");
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  return assemble({ year, month, day, hour, minute, second, fraction, zone });
}

/** ISO 8601 in UTC, with as many digits of the fraction as there are: `2026-01-31T08:00:00.25Z`. */
export function formatIso(instant: Micros): string {
  const fraction = String(fractionOf(instant)).padStart(6, "0").replace(/0+$/, "");
  return `${dateOf(instant).toISOString().slice(0, 19)}${fraction === "" ? "" : `.${fraction}`}Z`;
}

type Format = (instant: Micros, date: Date) => string;
const two = (value: number): string => String(value).padStart(2, "0");
const name = (options: Intl.DateTimeFormatOptions): Format => {
  return (_, date) => new Intl.DateTimeFormat("en-US", { ...options, timeZone: "UTC" }).format(date);
};

/** strftime codes, and the four that Airbyte adds (`%s_as_float`, `%ms`, `%_ms`, `%epoch_microseconds`). UTC. */
const FORMATS: Readonly<Record<string, Format>> = {
  "%epoch_microseconds": (instant) => String(instant),
  "%s_as_float": (instant) => String(instant / 1e6),
  "%_ms": (instant) => String(Math.floor(fractionOf(instant) / 1000)).padStart(3, "0"),
  "%ms": (instant) => String(Math.floor(instant / 1000)),
  "%s": (instant) => String(Math.floor(instant / 1e6)),
  "%Y": (_, date) => String(date.getUTCFullYear()).padStart(4, "0"),
  "%y": (_, date) => two(date.getUTCFullYear() % 100),
  "%m": (_, date) => two(date.getUTCMonth() + 1),
  "%d": (_, date) => two(date.getUTCDate()),
  "%H": (_, date) => two(date.getUTCHours()),
  "%I": (_, date) => two(date.getUTCHours() % 12 || 12),
  "%p": (_, date) => (date.getUTCHours() < 12 ? "AM" : "PM"),
  "%M": (_, date) => two(date.getUTCMinutes()),
  "%S": (_, date) => two(date.getUTCSeconds()),
  "%f": (instant) => String(fractionOf(instant)).padStart(6, "0"),
  "%j": (_, date) => String(dayOfYear(date)).padStart(3, "0"),
  "%z": () => "+0000",
  "%Z": () => "UTC",
  "%F": (instant) => formatInstant(instant, "%Y-%m-%d"),
  "%T": (instant) => formatInstant(instant, "%H:%M:%S"),
  "%a": name({ weekday: "short" }),
  "%A": name({ weekday: "long" }),
  "%b": name({ month: "short" }),
  "%B": name({ month: "long" }),
  "%%": () => "%",
};
const CODES = new RegExp(`${Object.keys(FORMATS).join("|")}|%[\\s\\S]?`, "g");

/**
 * Writes an instant in UTC by strftime codes.
 *
 * @throws Error for a code that is not known.
 */
export function formatInstant(instant: Micros, format: string): string {
  return format.replaceAll(CODES, (code) => {
    const write = FORMATS[code];
    if (write === undefined) throw new Error(`unknown date format code ${code}`);
    return write(instant, dateOf(instant));
  });
}

interface Parts {
  year?: string | undefined;
  month?: string | undefined;
  day?: string | undefined;
  hour?: string | undefined;
  minute?: string | undefined;
  second?: string | undefined;
  fraction?: string | undefined;
  zone?: string | undefined;
  seconds?: string | undefined;
  millis?: string | undefined;
  micros?: string | undefined;
}

const PARSERS: Readonly<Record<string, readonly [part: keyof Parts | undefined, pattern: string]>> = {
  "%epoch_microseconds": ["micros", "-?\\d+"],
  "%s_as_float": ["seconds", "-?\\d+(?:\\.\\d+)?"],
  "%_ms": ["fraction", "\\d{3}"],
  "%ms": ["millis", "-?\\d+"],
  "%s": ["seconds", "-?\\d+"],
  "%Y": ["year", "\\d{4}"],
  "%m": ["month", "\\d{1,2}"],
  "%d": ["day", "\\d{1,2}"],
  "%H": ["hour", "\\d{1,2}"],
  "%M": ["minute", "\\d{1,2}"],
  "%S": ["second", "\\d{1,2}"],
  "%f": ["fraction", "\\d+"],
  "%z": ["zone", "Z|[+-]\\d\\d(?::?\\d\\d)?"],
  "%%": [undefined, "%"],
};

function parseByFormat(text: string, format: string): Micros {
  const parts: (keyof Parts | undefined)[] = [];
  const pattern = format
    .split(new RegExp(`(${Object.keys(PARSERS).join("|")}|%[\\s\\S]?)`))
    .map((piece, index) => {
      if (index % 2 === 0) return piece.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
      const parser = PARSERS[piece];
      if (parser === undefined) throw new Error(`the date format code ${piece} can't be read, only written`);
      parts.push(parser[0]);
      return `(${parser[1]})`;
    });
  const match = new RegExp(`^${pattern.join("")}$`, "i").exec(text.trim());
  if (match === null) throw new Error(`the value does not have the date format ${format}`);
  const found: Parts = {};
  for (const [index, part] of parts.entries()) {
    if (part !== undefined) found[part] = match[index + 1];
  }
  return assemble(found);
}

function assemble(parts: Parts): Micros {
  if (parts.micros !== undefined) return Number(parts.micros);
  if (parts.millis !== undefined) return Number(parts.millis) * 1000;
  if (parts.seconds !== undefined) return Math.round(Number(parts.seconds) * 1e6);
  const number = (text: string | undefined, fallback: number) =>
    text === undefined ? fallback : Number(text);
  const [year, month, day] = [number(parts.year, 1970), number(parts.month, 1), number(parts.day, 1)];
  const time = [number(parts.hour, 0), number(parts.minute, 0), number(parts.second, 0)] as const;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!real || time[0] > 23 || time[1] > 59 || time[2] > 60)
    throw new Error("the value is not a date that exists");
  date.setUTCHours(...time);
  const micros = Number((parts.fraction ?? "").slice(0, 6).padEnd(6, "0"));
  return (date.getTime() - zoneMinutes(parts.zone) * 60_000) * 1000 + micros;
}

function zoneMinutes(zone: string | undefined): number {
  const match = /^([+-])(\d\d):?(\d\d)?$/.exec(zone ?? "");
  if (match === null) return 0;
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
  return match[1] === "-" ? -minutes : minutes;
}

function dateOf(instant: Micros): Date {
  const date = new Date(Math.floor(instant / 1000));
  if (Number.isNaN(date.getTime())) throw new Error("the value is not a date that exists");
  return date;
}

function fractionOf(instant: Micros): number {
  return ((instant % 1e6) + 1e6) % 1e6;
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}
