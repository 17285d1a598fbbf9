/**
 * JSON values as they arrive. Integers that a double cannot hold exactly are `bigint`, so an id such as
 * 9007199254740993 survives; everything else is what `JSON.parse` makes of it.
 */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;

/** A JSON object. Only own properties count: a key named `__proto__` is data like any other. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** True for a JSON object: neither null, nor a list, nor a scalar. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
