import LinkHeader from "http-link-header";
import { resolveLink } from "./url.js";

/** One link of a `Link` header: its target as an absolute URL, and its other attributes as sent. */
export interface Link {
  readonly url: string;
  readonly [attribute: string]: string;
}

/** A parsed `Link` header: links by relation type in lower case. No inherited keys: `__proto__` is a legal relation. */
export type Links = Readonly<Record<string, Link>>;

/**
 * Reads a `Link` header (RFC 8288). Relation types are compared without regard to case; of several links with one type
 * the first counts; a link with several types appears under each. Targets are resolved against the URL that answered.
 * Without a header, or with one that can't be read, the result is empty.
 *
 * @example
 * parseLinkHeader('</calls?page=2>; rel="next"', "https://api.example.com/calls");
 * // { next: { url: "https://api.example.com/calls?page=2", rel: "next" } }
 */
export function parseLinkHeader(value: string | undefined, baseUrl: string): Links {
  const links = emptyRecord<Link>();
  for (const reference of references(value)) {
    if (typeof reference.rel !== "string") continue;
    const url = resolved(baseUrl, reference.uri);
    if (url === undefined) continue;
    for (const rel of reference.rel.toLowerCase().split(/\s+/)) {
      if (rel !== "" && !(rel in links)) links[rel] = linkOf(reference, rel, url);
    }
  }
  return links;
}

/** False for a header that is there but can't be read, as a whole or in a link's target. No header is readable. */
export function isReadableLinkHeader(value: string | undefined): boolean {
  if (value === undefined || value.trim() === "") return true;
  const links = parse(value);
  return links !== undefined && links.length > 0 && links.every(({ uri }) => isTarget(uri));
}

function isTarget(uri: string): boolean {
  return resolved("http://localhost/", uri) !== undefined;
}

function references(value: string | undefined): readonly LinkHeader.Reference[] {
  return value === undefined ? [] : (parse(value) ?? []);
}

/** A header is read twice: to warn of a broken one, and for its links. */
let last: { readonly value: string; readonly parsed: LinkHeader.Reference[] | undefined } | undefined;

function parse(value: string): readonly LinkHeader.Reference[] | undefined {
  if (last?.value !== value) last = { value, parsed: parsed(value) };
  return last.parsed;
}

function parsed(value: string): LinkHeader.Reference[] | undefined {
  try {
    // Runs of blanks cost the library quadratic time, and mean no more than one.
    return LinkHeader.parse(value.replaceAll(/\s+/g, " ")).refs;
  } catch {
    return undefined;
  }
}

function resolved(baseUrl: string, uri: string): string | undefined {
  try {
    return resolveLink(baseUrl, uri);
  } catch {
    return undefined;
  }
}

function linkOf(reference: LinkHeader.Reference, rel: string, url: string): Link {
  const link = emptyRecord<string>();
  for (const [name, attribute] of Object.entries(reference)) {
    // Repeated and extended attributes are lists and objects in the library; none of them has a use here.
    if (name !== "uri" && typeof attribute === "string") link[name] = attribute;
  }
  link["rel"] = rel;
  link["url"] = url;
  return link as Link & Record<string, string>;
}

function emptyRecord<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}
