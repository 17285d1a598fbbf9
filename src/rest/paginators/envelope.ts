import { parsePath } from "../../expression/path.js";
import { isObject, type Json } from "../../model/json.js";
import type { PageView } from "../paginator.js";

/** A value beside the records that may say something about paging. */
export interface Field {
  /** The last key, as written. */
  readonly key: string;
  /** The last key as the detection tables have it: lower case letters and digits, `nextPageToken` and `next_page_token` alike. */
  readonly name: string;
  /** The same of the key above; empty at the top. */
  readonly parent: string;
  /** Leads to the value when it is used as a paginator's path. */
  readonly path: string;
  readonly value: Json;
}

/** Objects with such names are looked into; others hold data, and a `total` in there may be an amount. */
const CONTAINERS = /meta|pag(?:e|ing|ination|er)|link|cursor|^next|^info$|^resultinfo$/;
const MAX_DEPTH = 4;

/**
 * The values of the body that are no records, from the outside in. Objects are looked into if their name says paging,
 * or if they hold a list, which makes them an envelope.
 */
export function envelopeOf(page: PageView): readonly Field[] {
  return isObject(page.body) ? fieldsOf(page.body, []) : [];

  function fieldsOf(value: Json, above: readonly string[]): Field[] {
    if (!isObject(value) || above.length >= MAX_DEPTH) return [];
    const entries = Object.entries(value);
    const own = entries.map(([key, item]) => fieldAt([...above, key], item));
    const inner = own
      .filter(({ name, value: item }) => isObject(item) && (CONTAINERS.test(name) || holdsList(item)))
      .flatMap(({ key, value: item }) => fieldsOf(item, [...above, key]));
    return [...own, ...inner];
  }

  function fieldAt(keys: readonly string[], value: Json): Field {
    const key = keys.at(-1) ?? "";
    return {
      key,
      name: plainName(key),
      parent: plainName(keys.at(-2) ?? ""),
      path: pathOf(page, keys),
      value,
    };
  }
}

/** A name without case, separators and signs. */
export function plainName(key: string): string {
  return key.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
}

/** Dotted where that leads to the value, else in JSONPath's brackets. */
function pathOf({ body }: PageView, keys: readonly string[]): string {
  const dotted = keys.join(".");
  const isPlain = !/[[\]()?*$"'\\\s]|^\.|\.$|\.\./.test(dotted) && keys.every((key) => key !== "");
  const target = keys.reduce<Json | undefined>(
    (value, key) => (isObject(value) ? value[key] : undefined),
    body,
  );
  if (isPlain && parsePath(dotted).first(body ?? null) === target) return dotted;
  return `$${keys.map((key) => `[${JSON.stringify(key)}]`).join("")}`;
}

function holdsList(value: Json): boolean {
  return isObject(value) && Object.values(value).some((item) => Array.isArray(item));
}
