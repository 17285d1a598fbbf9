import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseTemplate } from "../../src/expression/template.js";
import { SluiceError } from "../../src/index.js";

// What Jinja2 3.1 makes of the templates that people write, recorded by jinja-corpus.py. Ours give the same; where they
// mean to differ the difference stands below with its reason.

interface Entry {
  readonly context: string;
  readonly template: string;
  readonly value?: unknown;
  readonly error?: string;
}

const { contexts, entries } = JSON.parse(
  readFileSync(new URL("jinja-corpus.json", import.meta.url), "utf8"),
) as { contexts: Record<string, Record<string, unknown>>; entries: Entry[] };

const ERROR = "an error";
/** Why ours differ. */
const JSON_TEXT = "in a text, values are written as JSON has them, and null as nothing";
const BY_MAP = "write map(attribute=…) before it";
const ENCODED = "a value is encoded as one component (RFC 3986)";
const COMPACT = "JSON without blanks";

/** By template: what ours gives, and why. */
const DIFFERENT: Readonly<Record<string, { readonly ours: unknown; readonly why: string }>> = {
  "{{ response.meta.has_more }}!": { ours: "true!", why: JSON_TEXT },
  "{{ response.null }}!": { ours: "!", why: JSON_TEXT },
  "{{ [1, 'x'] }}!": { ours: '[1,"x"]!', why: JSON_TEXT },
  "{{ {'a': none} }}!": { ours: '{"a":null}!', why: JSON_TEXT },
  "{{ true }}{{ none }}x": { ours: "truex", why: JSON_TEXT },
  "{{ true | string }}": { ours: "true", why: JSON_TEXT },
  "{{ {'a': [1, 'x']} | tojson }}": { ours: '{"a":[1,"x"]}', why: COMPACT },
  "{{ [1, none, true] | tojson }}": { ours: "[1,null,true]", why: COMPACT },
  "{{ 'a/b?c=d&e' | urlencode }}": { ours: "a%2Fb%3Fc%3Dd%26e", why: ENCODED },
  "{{ {'a': 1, 'b': 'x y'} | urlencode }}": { ours: "a=1&b=x%20y", why: ENCODED },
  "{{ '<a href=\"x\">' | escape }}": {
    ours: "&lt;a href=&quot;x&quot;&gt;",
    why: "another name of the same character",
  },
  "{{ response.items }}": { ours: null, why: "an object's keys are its data; methods are only called" },
  "{{ response.data[0] | attr('name') }}": { ours: "Ada", why: "attributes and keys are the same" },
  "{{ response.meta.keys() | list }}": {
    ours: ["done", "has_more", "next_cursor", "page", "pages", "total"],
    why: "keys come in alphabetical order",
  },
  "{{ response.meta.values() | list }}": {
    ours: [false, true, "c2==", 1, 3, 7],
    why: "keys come in alphabetical order",
  },
  "{{ 0 and 2 }}": { ours: false, why: "`and` gives false where its left side is false" },
  "{{ response.nothing | int }}": { ours: 0, why: "as of any text that is no number" },
  "{{ response.nothing | length }}": { ours: ERROR, why: "a missing list is a mistake, not an empty page" },
  "{{ 2 ** -1 }}": { ours: ERROR, why: "powers of integers are integers" },
  "{{ response.data | sum(attribute='score') }}": { ours: ERROR, why: BY_MAP },
  "{{ response.data | join(',', attribute='name') }}": { ours: ERROR, why: BY_MAP },
  "{{ (response.data | max(attribute='score')).id }}": { ours: ERROR, why: BY_MAP },
  "{{ (response.data | min(attribute='score')).id }}": { ours: ERROR, why: BY_MAP },
  "{{ [[1, 2], [3]] | sum(start=[]) }}": { ours: ERROR, why: "sums are of numbers" },
  "{{ response.next | replace('page=2', 'page=3', 1) }}": {
    ours: ERROR,
    why: "all places are replaced; regex_replace can do less",
  },
  "{{ response.text | truncate(8) }}": { ours: ERROR, why: "write a slice: response.text[:8]" },
};

function ours({ context, template }: Entry): unknown {
  try {
    return parseTemplate(template).evaluate(contexts[context] ?? {}) ?? null;
  } catch (error) {
    if (error instanceof SluiceError) return ERROR;
    throw error;
  }
}

const theirs = ({ error, value }: Entry): unknown => (error === undefined ? value : ERROR);
const isSame = (entry: Entry): boolean => DIFFERENT[entry.template] === undefined;

describe("as Jinja2", () => {
  it.each(entries.filter(isSame).map((entry) => [entry.template, entry.context, entry] as const))(
    "%s (%s)",
    (_, __, entry) => {
      expect(ours(entry)).toEqual(theirs(entry));
    },
  );
});

describe("not as Jinja2", () => {
  it.each(
    entries.filter((entry) => !isSame(entry)).map((entry) => [entry.template, entry.context, entry] as const),
  )("%s (%s)", (_, __, entry) => {
    const different = DIFFERENT[entry.template];
    expect(ours(entry)).toEqual(different?.ours);
    expect(ours(entry), `it is the same by now: ${different?.why}`).not.toEqual(theirs(entry));
  });

  it("is nothing that the corpus does not have", () => {
    const known = new Set(entries.map(({ template }) => template));
    expect(Object.keys(DIFFERENT).filter((template) => !known.has(template))).toEqual([]);
    expect(entries.length).toBeGreaterThan(500);
  });
});
