import { SluiceError } from "../model/error.js";

/**
 * Checks that a credential can be sent in a header (RFC 9110 §5.5: no line breaks, no NUL, one byte a character).
 *
 * @param option name of the option it comes from, for the message; the value is never in it.
 * @throws SluiceError `config/invalid`
 */
export function headerValue(value: string, option: string): string {
  if (/^[\t -~\u0080-\u00ff]*$/.test(value)) return value;
  throw new SluiceError(
    "config/invalid",
    `The value of ${option} holds a character that a header can't hold`,
    {
      hint: "Often a line break at the end of a secret file. Remove it, or quote the value.",
    },
  );
}
