const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?$/;

/**
 * The unscaled integer of a decimal number written as text, for a column of `precision` digits, `scale` of them after
 * the point. Undefined if the text is no number or does not fit: nothing is ever rounded.
 *
 * @example
 * parseDecimal("12.50", 38, 9); // 12500000000n
 * parseDecimal("0.125", 10, 2); // undefined
 */
export function parseDecimal(text: string, precision: number, scale: number): bigint | undefined {
  const parts = split(text);
  if (parts === undefined) return undefined;
  if (parts.digits === "") return 0n;
  const zeros = parts.exponent + scale;
  if (zeros < 0 || parts.digits.length + zeros > precision) return undefined;
  const unscaled = BigInt(parts.digits + "0".repeat(zeros));
  return parts.negative ? -unscaled : unscaled;
}

/** True if both texts are numbers and name the same one: `1.50` and `15e-1` do. */
export function sameDecimal(a: string, b: string): boolean {
  const left = split(a);
  const right = split(b);
  if (left === undefined || right === undefined) return false;
  if (left.digits !== right.digits) return false;
  return left.digits === "" || (left.exponent === right.exponent && left.negative === right.negative);
}

/** The decimal text of an unscaled integer. */
export function formatDecimal(unscaled: bigint, scale: number): string {
  const negative = unscaled < 0n;
  const digits = (negative ? -unscaled : unscaled).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const text = scale === 0 ? whole : `${whole}.${digits.slice(digits.length - scale)}`;
  return negative ? `-${text}` : text;
}

/** A number as digits without zeros at either end, times a power of ten. Zero has no digits. */
function split(text: string): { negative: boolean; digits: string; exponent: number } | undefined {
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  if (whole === "" && fraction === "") return undefined;
  const significant = (whole + fraction).replace(/^0+/, "");
  const digits = significant.replace(/0+$/, "");
  return {
    negative: sign === "-",
    digits,
    exponent: Number(exponent) - fraction.length + (significant.length - digits.length),
  };
}
