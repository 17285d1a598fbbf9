/**
 * How a condition such as `stop_condition` is read. False are undefined, null, false, zero, NaN, an empty or blank
 * text, an empty list and an empty object. Texts have the reading a person gives them: "false" and "0" are false,
 * "true" and "1" are true, in any case. Everything else is true.
 *
 * This differs from Airbyte on purpose: there null counts as true, and of the spellings only `False` and `false` are
 * false.
 *
 * @example
 * isTruthy("FALSE"); // false
 * isTruthy([]);      // false
 * isTruthy("no");    // true: a text that is no boolean
 */
export function isTruthy(value: unknown): boolean {
  if (typeof value === "string") return !["", "false", "0"].includes(value.trim().toLowerCase());
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}
