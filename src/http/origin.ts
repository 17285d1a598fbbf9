import { originOf } from "./url.js";

/** Whom a client may talk to. Credentials go to the own origin only. */
export interface OriginRule {
  /** The origin of base_url. Undefined if base_url is no http or https URL; then nothing is the own origin. */
  readonly own: string | undefined;
  readonly allowed: ReadonlySet<string>;
}

/**
 * What a URL is to the source:
 * - `own`       the origin of base_url: requests carry credentials
 * - `allowed`   listed in client.allowed_origins: followed without credentials
 * - `foreign`   any other: not followed
 * - `downgrade` http where base_url, or the redirect that leads there, is https: never followed, listed or not
 */
export type Trust = "own" | "allowed" | "foreign" | "downgrade";

export function originRule(baseUrl: string, allowedOrigins: readonly string[]): OriginRule {
  return {
    own: originOf(baseUrl),
    allowed: new Set(allowedOrigins.map(originOf).filter((origin) => origin !== undefined)),
  };
}

/**
 * Judges where a request would go. `from` is the URL that redirected there, if one did.
 *
 * @example
 * trustIn(originRule("https://api.example.com/v3", []), "https://api.example.com.evil.example/v3"); // "foreign"
 */
export function trustIn(rule: OriginRule, url: string, from?: string): Trust {
  const origin = originOf(url);
  if (origin === undefined) return "foreign";
  if (origin.startsWith("http:") && [rule.own, from].some((source) => source?.startsWith("https:"))) {
    return "downgrade";
  }
  if (origin === rule.own) return "own";
  return rule.allowed.has(origin) ? "allowed" : "foreign";
}
