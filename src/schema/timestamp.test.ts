import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { epochSeconds, isTimestamp, parseDate, parseTime, parseTimestamp } from "./timestamp.js";

const micros = (iso: string, more = 0) => BigInt(Date.parse(iso)) * 1000n + BigInt(more);

describe("parseTimestamp", () => {
  it.each([
    ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z", 0],
    ["2024-01-02T03:04:05z", "2024-01-02T03:04:05Z", 0],
    ["2024-01-02T03:04:05", "2024-01-02T03:04:05Z", 0],
    ["2024-01-02 03:04:05", "2024-01-02T03:04:05Z", 0],
    ["2024-01-02 10:11", "2024-01-02T10:11:00Z", 0],
    ["2024-01-02T10:11+02", "2024-01-02T08:11:00Z", 0],
    ["2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z", 0],
    ["2024-01-02T03:04:05-0730", "2024-01-02T10:34:05Z", 0],
    ["2024-01-02T03:04:05.1Z", "2024-01-02T03:04:05Z", 100_000],
    ["2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05Z", 123_456],
    ["2024-01-02T03:04:05.123456789Z", "2024-01-02T03:04:05Z", 123_456],
    ["2024-01-02T03:04:05.999999999", "2024-01-02T03:04:05Z", 999_999],
    ["2024-01-02T03:04:05.000001-01:00", "2024-01-02T04:04:05Z", 1],
    ["20240102T030405", "2024-01-02T03:04:05Z", 0],
    ["20240102T0304", "2024-01-02T03:04:00Z", 0],
    ["20240102T030405.5+0100", "2024-01-02T02:04:05Z", 500_000],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", 0],
    ["2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z", 0],
    ["1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z", 500_000],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", 0],
    ["9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z", 999_999],
  ])("reads %s", (text, iso, more) => {
    expect(parseTimestamp(text)).toBe(micros(iso, more));
  });

  it.each([
    "2024-01-02",
    "03:04:05",
    "2024-01-02T03:04:05 UTC",
    "2024-01-02T24:00",
    "2024-01-02T24:00:00Z",
    "2024-01-02T1",
    "2024-01-02T1:02:03",
    "2024-1-2",
    "2024-1-2T10:00:00",
    "1700000000",
    "1700000000000",
    "2024-01-01/2024-02-01",
    "P1DT2H3M4S5678",
    "01/02/2024 10:00:00",
    "2024-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2024-04-31T00:00:00Z",
    "2024-00-10T00:00:00Z",
    "2024-13-10T00:00:00Z",
    "2024-01-00T00:00:00Z",
    "2024-01-32T00:00:00Z",
    "2024-01-02T03:60:00Z",
    "2024-01-02T03:04:60Z",
    "2024-01-02T03:04:05.",
    "2024-01-02T03:04:05.Z",
    "2024-01-02T03:04:05.1234567890Z",
    "2024-01-02T03:04:05ZZ",
    "2024-01-02T03:04:05+",
    "2024-01-02T03:04:05+1",
    "2024-01-02T03:04:05+24:00",
    "2024-01-02T03:04:05+01:60",
    "2024-01-02T03:04:05+01-30",
    "2024-01-02T03:04:",
    "2024-01-02T03:04:0",
    "2024-01-02t03:04:05Z",
    " 2024-01-02T03:04:05Z",
    "2024-01-02T03:04:05Z ",
    "2024-01-02T03:04:05Z\n",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "２０24-01-02T03:04:05Z",
    "20240102 030405",
    "20240102T03",
    "20240102T03040",
    "",
    "n/a",
  ])("refuses %j", (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
    expect(isTimestamp(text)).toBe(false);
  });

  it("agrees with Date for every instant from year 1 to 9999, in every offset form", () => {
    const first = Date.parse("0001-01-02T00:00:00Z") / 1000;
    const last = Date.parse("9999-12-30T00:00:00Z") / 1000;
    fc.assert(
      fc.property(
        fc.integer({ min: first, max: last }),
        fc.integer({ min: 0, max: 999_999 }),
        fc.integer({ min: -1439, max: 1439 }),
        fc.constantFrom("T", " "),
        (seconds, fraction, offset, separator) => {
          const local = new Date((seconds + offset * 60) * 1000).toISOString().slice(0, 19);
          const minutes = Math.abs(offset);
          const zone = `${offset < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
          const text = `${local.replace("T", separator)}.${String(fraction).padStart(6, "0")}${zone}`;
          expect(parseTimestamp(text)).toBe(BigInt(seconds) * 1_000_000n + BigInt(fraction));
        },
      ),
    );
  });

  it("accepts exactly the days that exist", () => {
    const wrong: string[] = [];
    for (let day = 0; day < 150_000; day++) {
      const text = new Date(day * 86_400_000).toISOString().slice(0, 10);
      if (parseDate(text) !== day) wrong.push(text);
    }
    expect(wrong).toEqual([]);
  });

  it("never throws, whatever the text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => typeof isTimestamp(text) === "boolean"));
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9TZ:+. -]{10,36}$/), (text) => {
        const parsed = parseTimestamp(text);
        if (parsed !== undefined) expect(text).toMatch(/^\d{4}-?\d\d-?\d\d[T ]/);
      }),
    );
  });
});

const pad = (n: number) => String(n).padStart(2, "0");

describe("parseDate", () => {
  it("reads days", () => {
    expect(parseDate("1970-01-01")).toBe(0);
    expect(parseDate("1969-12-31")).toBe(-1);
    expect(parseDate("2024-02-29")).toBe(19_782);
    expect(parseDate("0001-01-01")).toBe(-719_162);
  });

  it.each(["2023-02-29", "2024-1-2", "2024/01/02", "20240102", "2024-01-02T", "abcd-ef-gh"])(
    "refuses %s",
    (text) => {
      expect(parseDate(text)).toBeUndefined();
    },
  );
});

describe("parseTime", () => {
  it("reads microseconds of the day", () => {
    expect(parseTime("00:00")).toBe(0);
    expect(parseTime("23:59:59.999999")).toBe(86_399_999_999);
    expect(parseTime("01:02:03.5")).toBe(3_723_500_000);
    expect(parseTime("01:02:03.1234567")).toBe(3_723_123_456);
  });

  it.each(["24:00", "1:02", "01:60", "01:02:60", "01:02:03.", "01:02Z", ""])("refuses %j", (text) => {
    expect(parseTime(text)).toBeUndefined();
  });
});

describe("epochSeconds", () => {
  it("is exact to the microsecond that was written", () => {
    expect(epochSeconds(1_700_000_000)).toBe(1_700_000_000_000_000n);
    expect(epochSeconds(1_700_000_000.123456)).toBe(1_700_000_000_123_456n);
    expect(epochSeconds(-0.5)).toBe(-500_000n);
  });

  it("refuses what can't be seconds", () => {
    expect(epochSeconds(1_700_000_000_000)).toBeUndefined();
    expect(epochSeconds(Number.NaN)).toBeUndefined();
  });
});
