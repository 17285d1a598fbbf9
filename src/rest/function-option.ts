import { z } from "zod";

/**
 * An option that is a function in a TypeScript configuration. Not being one is an error of type, so that a mistake in a
 * union is told of the alternative that was meant; in a JSON Schema it does not occur.
 */
export function functionOption<F>() {
  return z
    .custom<F>()
    .check(({ issues, value }) => {
      if (typeof value === "function") return;
      issues.push({
        code: "invalid_type",
        expected: "function",
        input: value,
        message: "must be a function",
      });
    })
    .meta({ not: {} });
}
