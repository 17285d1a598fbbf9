import { type CursorValue, measure } from "./value.js";

/** How far: a plain amount in the unit of the value itself, or a duration. */
export type Step = { readonly amount: number } | { readonly months: number; readonly seconds: number };

const ISO =
  /^P(?=[\dT])(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/;
const SHORT = /^(\d+) ?(s|min|h|d|w|mo|y)$/;
const UNITS: Readonly<Record<string, readonly [months: number, seconds: number]>> = {
  s: [0, 1],
  min: [0, 60],
  h: [0, 3600],
  d: [0, 86_400],
  w: [0, 604_800],
  mo: [1, 0],
  y: [12, 0],
};

/**
 * Reads a step: a number, an ISO 8601 duration (`P30D`, `PT6H`, `P1M`), or `30d`, `6h`, `1w`, `1mo`, `1y`, `30min`,
 * `90s`. Undefined for anything else, and for steps that lead nowhere.
 */
export function parseStep(configured: string | number): Step | undefined {
  if (typeof configured === "number")
    return Number.isFinite(configured) && configured > 0 ? { amount: configured } : undefined;
  const short = SHORT.exec(configured);
  const iso = ISO.exec(configured);
  if (short !== null) {
    const [months, seconds] = UNITS[short[2] ?? ""] ?? [0, 0];
    return leading({ months: months * Number(short[1]), seconds: seconds * Number(short[1]) });
  }
  if (iso === null) return undefined;
  const part = (index: number) => Number(iso[index] ?? 0);
  return leading({
    months: part(1) * 12 + part(2),
    seconds: part(3) * 604_800 + part(4) * 86_400 + part(5) * 3600 + part(6) * 60 + part(7),
  });
}

function leading(step: { months: number; seconds: number }): Step | undefined {
  return step.months + step.seconds > 0 ? step : undefined;
}

/** Whether a step keeps a date a date. */
export function isWholeDays(step: Step): boolean {
  return "amount" in step ? Number.isInteger(step.amount) : step.seconds % 86_400 === 0;
}

/** A point in time: seconds since 1970 and nanoseconds after that. */
export interface Moment {
  readonly seconds: number;
  readonly nanos: number;
}

/** How a time is written: what is sent looks like what was configured. */
export type Style =
  | { readonly kind: "date" }
  | { readonly kind: "epoch"; readonly perSecond: number }
  | {
      readonly kind: "timestamp";
      readonly separator: string;
      readonly digits: number;
      /** `Z`, `+02:00` and the like, or nothing. */
      readonly zone: string;
      /** `20240131T101112` */
      readonly basic: boolean;
    };

/**
 * How a value is written; undefined for what is no time. Whether a number counts seconds, milliseconds or microseconds
 * since 1970 shows in its size: from 1973 to 5138 they do not overlap. Smaller numbers do not tell.
 */
export function styleOf(value: CursorValue): Style | undefined {
  const measured = measure(value);
  if (measured?.type === "date") return { kind: "date" };
  if (measured?.type === "timestamp") {
    const text = String(value);
    const [, fraction = "", zone = ""] = /(?:\.(\d+))?(Z|z|[+-]\d\d(?::?\d\d)?)?$/.exec(text.slice(11)) ?? [];
    const basic = text[4] !== "-";
    return {
      kind: "timestamp",
      separator: basic ? "T" : (text[10] ?? "T"),
      digits: fraction.length,
      zone,
      basic,
    };
  }
  if (measured?.type !== "number") return undefined;
  const size = Math.abs(Number(value));
  if (size < 1e8 || size >= 1e17) return undefined;
  return { kind: "epoch", perSecond: size < 1e11 ? 1 : size < 1e14 ? 1e3 : 1e6 };
}

/** The time that a value in this style means. */
export function momentOf(value: CursorValue, style: Style): Moment {
  if (style.kind === "epoch") {
    const count = Number(value);
    const seconds = Math.floor(count / style.perSecond);
    return { seconds, nanos: Math.round((count - seconds * style.perSecond) * (1e9 / style.perSecond)) };
  }
  const measured = measure(value);
  return { seconds: Number(measured?.major ?? 0), nanos: measured?.nanos ?? 0 };
}

/** Writes a time; what is finer than the style is cut off, so the text is never later than the time. */
export function writeMoment({ seconds, nanos }: Moment, style: Style): CursorValue {
  if (style.kind === "epoch") return seconds * style.perSecond + Math.floor((nanos * style.perSecond) / 1e9);
  if (style.kind === "date") return isoOf(seconds).slice(0, 10);
  const { separator, digits, zone, basic } = style;
  const local = isoOf(seconds + zoneSeconds(zone));
  const fraction = digits === 0 ? "" : `.${String(nanos).padStart(9, "0").slice(0, digits)}`;
  const text = `${local.slice(0, 10)}${separator}${local.slice(11, 19)}`;
  return `${basic ? text.replaceAll(/[-:]/g, "") : text}${fraction}${zone}`;
}

function isoOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

function zoneSeconds(zone: string): number {
  const [, sign, hours = "0", minutes = "0"] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  const seconds = Number(hours) * 3600 + Number(minutes) * 60;
  return sign === "-" ? -seconds : seconds;
}

/**
 * A value one step on (`direction` 1) or back (-1), written in the same way. A plain amount counts seconds for
 * timestamps, days for dates, as in dlt. Undefined where that has no meaning: for other texts, and for a duration on a
 * number that does not look like a time.
 */
export function shifted(value: CursorValue, step: Step, direction: 1 | -1): CursorValue | undefined {
  const measured = measure(value);
  if ("amount" in step) {
    if (measured?.type === "number") {
      if (typeof value === "bigint") return value + BigInt(direction) * BigInt(Math.ceil(step.amount));
      return Number(value) + direction * step.amount;
    }
    const seconds = step.amount * (measured?.type === "date" ? 86_400 : 1);
    return measured?.type === "text" ? undefined : shifted(value, { months: 0, seconds }, direction);
  }
  const style = styleOf(value);
  if (style === undefined) return undefined;
  const moment = momentOf(value, style);
  const seconds = shiftMonths(moment.seconds, step.months * direction) + step.seconds * direction;
  return writeMoment({ ...moment, seconds }, style);
}

/** By the calendar, in UTC: a month after 31 January is the last of February. */
function shiftMonths(seconds: number, months: number): number {
  if (months === 0) return seconds;
  const date = new Date(seconds * 1000);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, lastDay));
  return date.getTime() / 1000;
}
