/** What stands where a credential was. */
export const MASK = "***";

const REQUEST = /^(?:authorization|cookie|proxy-authorization)$|api-?key|token|secret|password|session/i;
const RESPONSE = /^(?:set-cookie2?|authorization|proxy-authorization|cookie|www-authenticate)$/i;

/** Request headers without the values of those that carry credentials by their name, wherever they come from. */
export function maskedRequestHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return masked(headers, REQUEST);
}

/** Response headers likewise. Fewer names: a header `x-next-token` is a cursor, and must stay. */
export function maskedResponseHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return masked(headers, RESPONSE);
}

function masked(headers: Readonly<Record<string, string>>, names: RegExp): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    names.test(name) ? MASK : value,
  ]);
  return Object.fromEntries(entries);
}
