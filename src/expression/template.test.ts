import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SluiceError } from "../model/error.js";
import { Secret } from "../model/secret.js";
import { isTemplate, parseTemplate } from "./template.js";
import { ENGINE_FILTERS, ENGINE_TESTS, FILTERS, FUNCTIONS } from "./template-functions.js";

const context = {
  headers: {
    link: {
      next: { url: "https://api.test/v1/calls?page=2&sig=a%2Fb", rel: "next" },
      prev: { url: "https://api.test/" },
    },
    "x-total": "42",
  },
  response: {
    items: [
      { id: 1, ok: true },
      { id: 2, ok: false },
    ],
    keys: 5,
    get: "own",
    next: null,
    zero: 0,
    half: 1.5,
    yes: true,
    no: false,
    empty: "",
    text: "hello World",
    big: 9007199254740993n,
    huge: 2n ** 80n,
    nested: { a: { b: [1, null, "x"] } },
    _links: { next: { href: "/p/2" } },
    date: new Date(0),
  },
  last_record: { id: 7, created_at: "2026-01-31T08:00:00.25+02:00" },
  last_page_size: 2,
  config: { account: "ACC1", n: 3 },
  parameters: {},
};
const now = () => Date.UTC(2026, 2, 1, 12, 30, 5, 70);
const evaluate = (text: string): unknown => parseTemplate(text).evaluate(context, now);

function errorOf(run: () => unknown): SluiceError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(SluiceError);
    return error as SluiceError;
  }
  throw new Error("expected an error");
}

describe("one expression gives its own value", () => {
  test.each<[string, unknown]>([
    ["headers['link']['next']['url']", "https://api.test/v1/calls?page=2&sig=a%2Fb"],
    ["headers.link.next.url", "https://api.test/v1/calls?page=2&sig=a%2Fb"],
    ["headers['link']['last']['url']", undefined],
    ["headers.nope.a.b.c", undefined],
    ["'next' not in headers['link']", false],
    ["'last' not in headers['link']", true],
    ["'next' in headers.link and response.yes", true],
    ["headers['x-total'] | int", 42],
    ["nowhere", undefined],
    ["nowhere.at.all | default('x')", "x"],
    ["nowhere is defined", false],
    ["response.empty | default('x', boolean=true)", "x"],
    ["[0.5, 1.5, 2.5, -2.5] | map('round') | list", [0, 2, 2, -2]],
    ["(7 / 2) | round(method='ceil') | int", 4],
    ["(last_page_size / 100) | round(0, 'ceil') | int", 1],
    ["12345 | round(-2)", 12300],
    ["1.005 | round(2)", 1],
    ["response.next", undefined],
    ["response.next is none", true],
    [
      "response.items",
      [
        { id: 1, ok: true },
        { id: 2, ok: false },
      ],
    ],
    ["response.items | length", 2],
    ["response.items[-1].id", 2],
    ["(response['items'] | last).id", 2],
    ["response.keys", 5],
    ["response.get", "own"],
    ["response.nested.get('a')", { b: [1, null, "x"] }],
    ["response.nested.get('z', 'none there')", "none there"],
    ["response.nested.get('a', {}).get('b', [0, 1])[0]", 1],
    ["[1, {'a': 5}.get('a', 6), (config).get('z', 7)]", [1, 5, 7]],
    ["'x' if not config.get('n', 0) else response['nested'].get('q', 'y').upper()", "Y"],
    ["response.items[0].get('id', 9) + 1", 2],
    ["(now_utc().strftime('%Y') | int) + now_utc().strftime('%m')[1:]|int", 2029],
    ["response.zero", 0],
    ["response.zero + 1", 1],
    ["response.half * 2", 3],
    ["response.yes", true],
    ["response.no", false],
    ["not response.no", true],
    ["response.empty", ""],
    ["response.nested", { a: { b: [1, null, "x"] } }],
    ["response._links.next.href", "/p/2"],
    ["response.date", "1970-01-01T00:00:00.000Z"],
    ["response.big", 9007199254740993n],
    ["response.big + 1", 9007199254740994n],
    ["response.big > 5", true],
    ["response.huge", "1208925819614629174706176"],
    ["'9007199254740993' | int", 9007199254740993n],
    ["'12' | int + 1", 13],
    ["'x' | int", 0],
    ["'x' | int(default=5)", 5],
    ["'1.5' | float", 1.5],
    ["1.9 | int", 1],
    ["'123'", "123"],
    ["'00123'", "00123"],
    ["'true'", "true"],
    ["'[1,2]'", "[1,2]"],
    ["5 | string", "5"],
    ["last_record.id", 7],
    ["last_page_size < 100", true],
    ["'a' if last_page_size == 2 else 'b'", "a"],
    ["'a' if response.no", undefined],
    ["[1, none, 'x']", [1, null, "x"]],
    ["{'a': {'b': none}}", { a: { b: null } }],
    ["'a' ~ 1 ~ true", "a1true"],
    ["7 // 2", 3],
    ["7 % 4", 3],
    ["2 ** 10", 1024],
    ["response.text.upper()", "HELLO WORLD"],
    ["response.text.split(' ')", ["hello", "World"]],
    ["response.text[:5]", "hello"],
    ["response.text | replace('World', '}} there')", "hello }} there"],
    ["response.items | map(attribute='id') | join(',')", "1,2"],
    ["response.items | selectattr('ok') | list", [{ id: 1, ok: true }]],
    ["none", undefined],
    ["None or 'x'", "x"],
    ["'a b/c' | urlencode", "a%20b%2Fc"],
    ["{'a': 'x y', 'b': 2} | urlencode", "a=x%20y&b=2"],
    ["'user:pass' | base64encode", "dXNlcjpwYXNz"],
    ["'dXNlcjpwYXNz' | base64decode", "user:pass"],
    ["'abc' | hash('sha256')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    ["'abc' | hash", "900150983cd24fb0d6963f7d28e17f72"],
    ["'ab' | hash('md5', salt='c')", "900150983cd24fb0d6963f7d28e17f72"],
    ["'abc' | hmac('k')", "342e519ce0ad6c03a36b98eeb3f1d130db4813b9df4d1160eda488d712dc78ee"],
    ["'page=12&x' | regex_search('page=(\\\\d+)')", "12"],
    ["'none' | regex_search('page=(\\\\d+)')", ""],
    ["'2026-01' | regex_replace('(\\\\d+)-(\\\\d+)', '\\\\2/\\\\1')", "01/2026"],
    ["now_utc()", "2026-03-01T12:30:05.07Z"],
    ["now_utc().strftime('%Y-%m-%d')", "2026-03-01"],
    ["today_utc()", "2026-03-01"],
    ["today_with_timezone('Pacific/Auckland')", "2026-03-02"],
    ["timestamp('2026-01-01T00:00:00Z')", 1767225600],
    ["timestamp(last_record.created_at)", 1769839200],
    ["day_delta(-1, format='%Y-%m-%d')", "2026-02-28"],
    ["day_delta(0)", "2026-03-01T12:30:05.070000+0000"],
    ["format_datetime(last_record.created_at, '%Y%m%d %H:%M:%S.%f')", "20260131 06:00:00.250000"],
    ["format_datetime('31/01/2026', '%s', '%d/%m/%Y')", "1769817600"],
    ["str_to_datetime('2026-01-31')", "2026-01-31T00:00:00Z"],
    ["max(1, 3, 2)", 3],
    ["min([4, 2])", 2],
    ["camel_case_to_snake_case('createdAt')", "created_at"],
    ["sanitize_url('a b&c')", "a+b%26c"],
  ])("%s", (expression, expected) => {
    expect(evaluate(`{{ ${expression} }}`)).toStrictEqual(expected);
  });

  test("blanks around the expression and trim marks do not make it a text", () => {
    expect(evaluate(" {{- response.zero -}}\n")).toBe(0);
    expect(evaluate("{{response.zero}}")).toBe(0);
  });

  test("a value that looks like a template stays as it is", () => {
    const text = "{{ config.n }} 1_000 [1]";
    expect(parseTemplate("{{ response.text }}").evaluate({ response: { text } })).toBe(text);
  });
});

describe("mixed text gives a text", () => {
  test.each<[string, unknown]>([
    ["page {{ last_page_size }} of {{ config.n }}", "page 2 of 3"],
    ['Token token="{{ config.account }}"', 'Token token="ACC1"'],
    ["{{ config.account }}{{ config.n }}", "ACC13"],
    ["<{{ response.next }}|{{ response.no }}|{{ nowhere.x }}>", "<|false|>"],
    ["id={{ response.big }}", "id=9007199254740993"],
    ["x{{ response.nested.a }}", 'x{"b":[1,null,"x"]}'],
    ["{% if response.yes %}a{% else %}b{% endif %}", "a"],
    ["{% set q = config.n %}{{ q }}{{ q + 1 }}", "34"],
    ["{% set boolean = config.n %}{{ boolean }}!", "3!"],
    ["{% for item in response.items %}{{ loop.index }}:{{ item.id }};{% endfor %}", "1:1;2:2;"],
    ["{# note }} #}x{{ 1 }}", "x1"],
    ["{% raw %}{{ x }}{% endraw %}{{ 1 }}", "{{ x }}1"],
    ["{{ '}}' }}{{ {'a': {'b': 1}}.a.b }}", "}}1"],
    ["a {{- 1 -}} b\n", "a1b\n"],
    ["plain", "plain"],
    ["", ""],
  ])("%s", (text, expected) => {
    expect(evaluate(text)).toBe(expected);
  });
});

describe("mistakes are found when the template is parsed", () => {
  test("bad syntax shows the place", () => {
    const error = errorOf(() => parseTemplate("{{ response. }}"));
    expect(error.code).toBe("config/invalid");
    expect(error.message).toContain("{{ response. }}");
    expect(error.message).toMatch(/\n +\^/);
  });

  test.each([
    ["{{ respnse.next }}", "response"],
    ["{{ response.x | urlencod }}", "urlencode"],
    ["{{ response.x is defind }}", "defined"],
    ["{{ now_utcc() }}", "now_utc"],
  ])("%s suggests %s", (text, suggestion) => {
    const error = errorOf(() => parseTemplate(text, ["headers", "response"]));
    expect(error.code).toBe("config/invalid");
    expect(error.hint).toContain(`Did you mean ${suggestion}?`);
  });

  test.each([
    ["{{ response.x | sum(attribute='a') }}", "sum takes no arguments by name"],
    ["{{ response.x | batch(2, fill=1) }}", "batch takes no arguments by name"],
    ["{{ response.x | map(attr='a') }}", "map takes attribute, default"],
    ["{{ 'x' | hash(type='md5') }}", "hash takes hash_type, salt"],
    ["{{ day_delta(days=1) }}", "day_delta takes num_days, format"],
    ["{{ response.get('x', fallback=1) }}", "get takes no arguments by name"],
  ])("%s has an argument that is none", (text, hint) => {
    const error = errorOf(() => parseTemplate(text));
    expect(error.code).toBe("config/invalid");
    expect(error.hint).toContain(hint);
  });

  test("what is available is listed", () => {
    expect(errorOf(() => parseTemplate("{{ zzz }}", ["headers", "response"])).hint).toContain(
      "headers, response",
    );
  });

  test.each([
    "{% include 'x' %}",
    "{% macro f() %}{% endmacro %}",
    "{{ debug() }}",
    "{{ range(10) }}",
    "{{ __capture(1) }}",
    "{{ __value }}",
  ])("%s is refused", (text) => {
    expect(errorOf(() => parseTemplate(text)).code).toBe("config/invalid");
  });

  test("roots leave out what the template defines itself", () => {
    const text =
      "{% for r in response.items %}{{ r.id ~ loop.index ~ config['x'] }}{% endfor %}{% set y = 1 %}{{ y | default(a) }}";
    expect(parseTemplate(text).roots).toEqual(["a", "config", "response"]);
  });

  test("keys tell what is looked at", () => {
    const { keys } = parseTemplate(
      "{{ headers['X-Next'] or headers.link.next or config[response.k] or response.k.get('z') }}",
    );
    expect(Object.fromEntries(keys)).toEqual({
      headers: new Set(["X-Next", "link"]),
      config: "all",
      response: new Set(["k"]),
    });
  });
});

describe("an ordering comparison", () => {
  const known = {
    a: 1,
    b: 2,
    none: null,
    text: "x",
    list: [3, 1],
    big: 9007199254740993n,
    more: 9007199254740994n,
  };
  const holds = (condition: string): unknown =>
    parseTemplate(`{{ ${condition} }}`).evaluate({ response: known });

  test.each([
    ["response.a < response.b", true],
    ["response.a < response.b < 3", true],
    ["response.a < response.b > 3", false],
    ["not response.a >= response.b", true],
    ["response.big < response.more", true],
    ["'a' < response.text ~ 'y'", true],
    ["response.list | length <= 2", true],
    ["response.list[0] - 1 > response.list | max - 2", true],
    ["response.missing is defined and response.missing > 1", false],
    ["response.missing | default(0) < 1", true],
    ["response.missing is not defined or response.missing < 1", true],
    ["max(1, 2 if response.a < 1 else 3) > 2", true],
    ["(response.a < response.b) == true", true],
    ["response.missing == 1", false],
    ["response.none != 1", true],
    ["{'x': response.a < 2}.x", true],
  ])("%s is %s", (condition, expected) => {
    expect(holds(condition)).toBe(expected);
  });

  test.each([
    "response.missing < 1",
    "1 < response.missing",
    "response.missing.deeper >= 1",
    "response.none > 1",
    "0 < response.none < 3",
    "response.text > 1",
    "1 < response.text",
    "response.a < response.b < response.missing",
    "(response.list | select('defined') | list)[7] > 1",
    "'x' if response.missing > 1 else 2 ** 60",
  ])("%s has no meaning", (condition) => {
    const error = errorOf(() => holds(condition));
    expect(error.code).toBe("expression/failed");
    expect(error.message).toContain("a comparison: a value is missing or null");
  });

  test("is guarded within statements and texts as well", () => {
    const text = parseTemplate(
      "{% if response.a < 2 %}few {{ response.b > 1 }}{% elif response.a > 9 %}x{% endif %}",
    );
    expect(text.evaluate({ response: known })).toBe("few true");
    expect(errorOf(() => text.evaluate({ response: {} })).code).toBe("expression/failed");
  });
});

describe("failures at evaluation", () => {
  test.each([
    "{{ response.text + 1 }}",
    "{{ response.text() }}",
    "{{ format_datetime(response.text, '%Y') }}",
    "{{ nowhere | length }}",
    "{{ response.zero / 0 }}",
    "{{ response.text | round }}",
  ])("%s", (text) => {
    const error = errorOf(() => evaluate(text));
    expect(error.code).toBe("expression/failed");
    expect(error.message).toContain(text);
    expect(error.message).not.toContain("World");
  });

  test("the engine works again after every kind of failure", () => {
    const good = parseTemplate("{{ response.a }}");
    let deep: Record<string, unknown> = {};
    for (let level = 0; level < 100_000; level++) deep = { a: deep };
    const cyclic: Record<string, unknown> = {};
    cyclic["a"] = cyclic;
    for (const response of [deep, cyclic]) {
      expect(errorOf(() => good.evaluate({ response })).code).toBe("expression/failed");
      expect(good.evaluate({ response: { a: 1 } })).toBe(1);
    }
    expect(errorOf(() => evaluate("{{ 'x' | regex_search('(') }}")).code).toBe("expression/failed");
    expect(errorOf(() => evaluate("{% for i in [1]*99999 %}{{ i*2 }}{% endfor %}")).message).toContain(
      "fuel",
    );
    expect(good.evaluate({ response: { a: 2 } })).toBe(2);
  });
});

describe("sandbox", () => {
  test.each([
    "response.constructor",
    "response['__proto__']",
    "response.__proto__.polluted",
    "''.constructor",
    "[].constructor",
    "now_utc.constructor",
    "response.items.map",
    "response.toString",
  ])("%s finds nothing", (expression) => {
    const run = () => evaluate(`{{ ${expression} }}`);
    let value: unknown;
    try {
      value = run();
    } catch (error) {
      expect((error as SluiceError).code).toMatch(/config\/invalid|expression\/failed/);
    }
    expect(value).toBeUndefined();
  });

  test("a key named __proto__ is data, and pollutes nothing", () => {
    const response = JSON.parse('{"a":{"__proto__":{"polluted":1}}}') as object;
    expect(parseTemplate("{{ response.a.__proto__.polluted }}").evaluate({ response })).toBe(1);
    const result = parseTemplate("{{ response.a }}").evaluate({ response }) as object;
    expect(Object.keys(result)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
    expect("polluted" in {}).toBe(false);
  });

  test("inherited names of the context are not there", () => {
    expect(parseTemplate("{{ toString }}").evaluate({})).toBeUndefined();
  });

  test("a secret shows its name only", () => {
    const secrets = { key: new Secret("key", "s3cr3t") };
    expect(parseTemplate("{{ secrets.key }}").evaluate({ secrets })).toBe("[secret key]");
    expect(JSON.stringify(parseTemplate("{{ secrets }}").evaluate({ secrets }))).not.toContain("s3cr3t");
  });
});

test("every filter and test that is offered exists in the engine", () => {
  for (const name of [...ENGINE_FILTERS, ...Object.keys(FILTERS)]) {
    try {
      parseTemplate(`{{ 'a' | ${name} }}`).evaluate({});
    } catch (error) {
      expect(String((error as SluiceError).cause)).not.toContain("unknown filter");
    }
  }
  for (const name of ENGINE_TESTS) {
    try {
      parseTemplate(`{{ 'a' is ${name} }}`).evaluate({});
    } catch (error) {
      expect(String((error as SluiceError).cause)).not.toContain("unknown test");
    }
  }
  expect(Object.keys(FUNCTIONS).length).toBeGreaterThan(5);
});

test("any JSON value comes back as it is", () => {
  const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => !/\\ud[89a-f]/i.test(JSON.stringify(value)));
  const template = parseTemplate("{{ response.value }}");
  fc.assert(
    fc.property(json, (value) => {
      const expected = JSON.parse(JSON.stringify(value)) as unknown;
      const actual = template.evaluate({ response: { value: expected } });
      expect(actual ?? null).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test("any integer comes back exactly", () => {
  const template = parseTemplate("{{ response.value }}");
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (value) => {
      const result = template.evaluate({ response: { value } });
      expect(result).toBe(Number.isSafeInteger(Number(value)) ? Number(value) : value);
    }),
  );
});

test("any text without marks is itself, and no text throws anything but a SluiceError", () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom("{", "}", "%", "#", "-", "'", '"', "a", ".", "|", "(", " ", "1", "\\"),
      }),
      (text) => {
        try {
          const template = parseTemplate(text);
          const result = template.evaluate({});
          if (!isTemplate(text)) expect(result).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(SluiceError);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
