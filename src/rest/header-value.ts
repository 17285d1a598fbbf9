import { SluiceError } from "../model/error.js";
import type { Finding, Findings } from "./finding.js";

const CARRIED = /^[\t -~\u0080-\u00ff]*$/;

/**
 * Finds a configured header that HTTP can't carry: a name is a token (RFC 9110 §5.6.2), a value holds no line break, NUL
 * or character beyond one byte (§5.5). The value is in no message.
 */
export function checkHeader(name: string, value: string, at: Finding["path"], findings: Findings): void {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
    findings.add(at, `${JSON.stringify(name)} can't be the name of a header`, {
      hint: "A name is of letters, digits, hyphens and the like, without blanks, colons and braces.",
    });
  } else if (!CARRIED.test(value)) {
    findings.add(at, `the value of ${name} holds a character that a header can't hold`, {
      hint: "Often a line break at its end, or a letter beyond Latin-1, which must be encoded as the API expects it.",
    });
  }
}

/**
 * Checks that a credential can be sent in a header (RFC 9110 §5.5: no line breaks, no NUL, one byte a character).
 *
 * @param option name of the option it comes from, for the message; the value is never in it.
 * @throws SluiceError `config/invalid`
 */
export function headerValue(value: string, option: string): string {
  if (CARRIED.test(value)) return value;
  throw new SluiceError(
    "config/invalid",
    `The value of ${option} holds a character that a header can't hold`,
    {
      hint: "Often a line break at the end of a secret file. Remove it, or quote the value.",
    },
  );
}
