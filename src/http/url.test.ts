import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HttpRequest } from "./message.js";
import {
  displayUrl,
  fingerprint,
  getParam,
  isUrl,
  joinUrl,
  originOf,
  requestTarget,
  resolveLink,
  withoutParams,
  withoutUserinfo,
  withParam,
} from "./url.js";

const get = (url: string): HttpRequest => ({ method: "GET", url, headers: {} });

describe("joinUrl", () => {
  it.each([
    // dlt's own cases
    ["http://h", "a/b", "http://h/a/b"],
    ["http://h/", "/a/b", "http://h/a/b"],
    ["http://h///", "//a/b", "http://h/a/b"],
    ["http://h", "", "http://h"],
    ["http://h/x/", "", "http://h/x/"],
    ["http://h/", "/", "http://h/"],
    ["http://h", "///", "http://h/"],
    ["", "p", "p"],
    ["/", "p", "/p"],
    ["http://h", "p?q=1", "http://h/p?q=1"],
    ["http://h/", "p#f", "http://h/p#f"],
    ["http://h", "p with spaces", "http://h/p with spaces"],
    ["http://h/v3/a/", "b", "http://h/v3/a/b"],
    ["http://h", "https://other/p?q=1", "https://other/p?q=1"],
    ["http://h", "my://x", "http://h/my://x"],
    // a query that holds nothing
    ["https://h/v3/a/", "/7/calls.json?", "https://h/v3/a/7/calls.json"],
    ["http://h", "p?#f", "http://h/p#f"],
    ["http://h", "p?&&q=1&", "http://h/p?q=1"],
    ["http://h", "https://other/p?", "https://other/p"],
    // a query in base_url
    ["http://h/x?k=1", "c/1", "http://h/x/c/1?k=1"],
    ["http://h/x/?k=1", "/c?q=2", "http://h/x/c?k=1&q=2"],
    ["http://h/x?k=1&t=a", "c?k=2", "http://h/x/c?t=a&k=2"],
    ["http://h/x?k=1", "", "http://h/x?k=1"],
  ])("%s + %s", (base, path, joined) => {
    expect(joinUrl(base, path)).toBe(joined);
  });
});

describe("query parameters", () => {
  it.each([
    ["http://h/p", "http://h/p?n=v"],
    ["http://h/p?", "http://h/p?n=v"],
    ["http://h/p?a=1#f", "http://h/p?a=1&n=v#f"],
    ["http://h/p?n=1&a=2", "http://h/p?n=v&a=2"],
    ["http://h/p?a=%2f&n=1&b=+&n=2", "http://h/p?a=%2f&n=v&b=+"],
    ["http://h/p?%6E=1", "http://h/p?n=v"],
    ["http://h/p#f?n=1", "http://h/p?n=v#f?n=1"],
  ])("withParam sets n in %s", (url, expected) => {
    expect(withParam(get(url), "n", "v").url).toBe(expected);
  });

  it("encodes what it sets", () => {
    expect(withParam(get("http://h/"), "a b", "ü&=+#").url).toBe("http://h/?a%20b=%C3%BC%26%3D%2B%23");
    expect(withParam(get("http://h/"), "n", "\ud800").url).toBe("http://h/?n=%EF%BF%BD");
    expect(withParam(get("http://h/"), "n", 0).url).toBe("http://h/?n=0");
  });

  it("keeps method, headers and body", () => {
    const request: HttpRequest = {
      method: "POST",
      url: "http://h/",
      headers: { a: "b" },
      body: { kind: "raw", text: "" },
    };
    expect(withParam(request, "n", "v")).toEqual({ ...request, url: "http://h/?n=v" });
  });

  it("withoutParams cuts every occurrence, and leaves other URLs alone", () => {
    expect(withoutParams("http://h/p?key=1&a=2&key=3#f", ["key"])).toBe("http://h/p?a=2#f");
    expect(withoutParams("http://h/p?key=1", ["key"])).toBe("http://h/p");
    expect(withoutParams("http://h/p?", ["key"])).toBe("http://h/p?");
    expect(withoutParams("http://h/p?monkey=1&a&&b", ["key"])).toBe("http://h/p?monkey=1&a&&b");
  });

  it("getParam decodes", () => {
    expect(getParam("http://h/?a=1+2%2B3&a=4", "a")).toBe("1 2+3");
    expect(getParam("http://h/?a", "a")).toBe("");
    expect(getParam("http://h/?a=%zz", "a")).toBe("%zz");
    expect(getParam("http://h/?b=a#?a=1", "a")).toBeUndefined();
  });

  const raw = fc.string({
    unit: fc.constantFrom(..."abn01=%+/;:@!$'()*,-._~|\"é ".split("")),
    minLength: 1,
    maxLength: 12,
  });
  const params = fc.array(raw, { maxLength: 6 });
  const isNamed = (param: string, name: string) => {
    try {
      return decodeURIComponent(param.split("=")[0]!.replaceAll("+", " ")) === name;
    } catch {
      return false;
    }
  };

  it("touches no byte of other parameters", () => {
    fc.assert(
      fc.property(params, fc.string({ minLength: 1 }), fc.string(), (params, name, value) => {
        const { url } = withParam(get(`https://h/a%2fb?${params.join("&")}#f`), name, value);
        const others = params.filter((param) => !isNamed(param, name));
        const cut = withoutParams(url, [name]);
        expect(cut).toBe(`https://h/a%2fb${others.length === 0 ? "" : `?${others.join("&")}`}#f`);
        expect(url.startsWith("https://h/a%2fb?") && url.endsWith("#f")).toBe(true);
      }),
    );
  });

  it("gives back what was set", () => {
    fc.assert(
      fc.property(
        params,
        fc.string({ unit: "grapheme", minLength: 1 }),
        fc.string({ unit: "grapheme" }),
        (params, name, value) => {
          const { url } = withParam(get(`https://h/?${params.join("&")}`), name, value);
          expect(getParam(url, name)).toBe(value);
          expect(withParam(get(url), name, value).url).toBe(url);
        },
      ),
    );
  });
});

describe("resolveLink", () => {
  const current = "https://api.example.com/v3/calls.json?page=1&sig=a%2fb";

  it.each([
    ["https://api.example.com/x?sig=a%2fb'|{}", "https://api.example.com/x?sig=a%2fb'|{}"],
    ["HTTP://Other.example:80", "HTTP://Other.example:80"],
    [" https://h/a ", "https://h/a"],
    ["?page=2", "https://api.example.com/v3/calls.json?page=2"],
    ["users.json", "https://api.example.com/v3/users.json"],
    ["../v4", "https://api.example.com/v4"],
    ["/x", "https://api.example.com/x"],
    ["//evil.example/x", "https://evil.example/x"],
    ["https://h/a b", "https://h/a%20b"],
    ["javascript:alert(1)", "javascript:alert(1)"],
  ])("%s", (link, expected) => {
    expect(resolveLink(current, link)).toBe(expected);
  });

  it("refuses what is not a URL, without repeating it", () => {
    expect(() => resolveLink(current, "https://[secret")).toThrow(
      expect.objectContaining({
        code: "paginator/value",
        message: expect.not.stringContaining("secret") as string,
      }),
    );
  });
});

describe("originOf", () => {
  it("compares as browsers do", () => {
    expect(originOf("https://API.example.com:443/x?y")).toBe("https://api.example.com");
    expect(originOf("http://user:pw@h:8080/")).toBe("http://h:8080");
    expect(originOf("https://api.example.com\\@evil.example")).toBe("https://api.example.com");
    expect(originOf("file:///etc/passwd")).toBeUndefined();
    expect(originOf("calls")).toBeUndefined();
  });
});

describe("requestTarget", () => {
  it.each([
    ["https://h/a/../b?sig=a%2fb'|{}^`", "https://h", "/a/../b?sig=a%2fb'|{}^`"],
    ["HTTPS://u:p@H:443?q#f?", "https://h", "/?q"],
    ["http://h:8080", "http://h:8080", "/"],
    ['http://h/ä b"<>', "http://h", "/%C3%A4%20b%22%3C%3E"],
    ["http://h\\a?b", "http://h", "/a?b"],
    ["http:h/a", "http://h", "/a"],
    ["http://h/a\r\nX: y", "http://h", "/a%0D%0AX:%20y"],
  ])("%s", (url, origin, path) => {
    expect(requestTarget(url)).toEqual({ origin, path });
  });

  it("never leaves the origin that was checked, whatever the URL", () => {
    const urls = fc.string({ unit: fc.constantFrom(..."ah.:/\\@?#%[] \t\n1".split("")), maxLength: 14 });
    fc.assert(
      fc.property(urls, (text) => {
        const url = `https:${text}`;
        fc.pre(isUrl(url));
        const { origin, path } = requestTarget(url);
        expect(origin).toBe(originOf(url));
        expect(path).toMatch(/^\/[!-~]*$/);
        expect(path).not.toContain("#");
      }),
    );
  });
});

describe("fingerprint", () => {
  const request: HttpRequest = {
    method: "POST",
    url: "http://h/?a=1",
    headers: {},
    body: { kind: "json", value: { a: 1 } },
  };

  it("tells method, URL, headers and body apart, and nothing else", () => {
    const same = [request, { ...request, url: "http://h/?a=1#f" }, { ...request, method: "post" }];
    expect(new Set(same.map(fingerprint)).size).toBe(1);
    const different: HttpRequest[] = [
      request,
      { ...request, method: "GET" },
      { ...request, headers: { cursor: "2" } },
      { ...request, url: "http://h/?a=2" },
      { ...request, body: { kind: "json", value: { a: 12345678901234567890n } } },
      { ...request, body: { kind: "form", pairs: [["a", "1"]] } },
    ];
    expect(new Set(different.map(fingerprint)).size).toBe(different.length);
    const [one, other] = [
      { X: "1", b: "2" },
      { B: "2", x: "1" },
    ];
    expect(fingerprint({ ...request, headers: one })).toBe(fingerprint({ ...request, headers: other }));
    expect(fingerprint(request)).toMatch(/^[\w-]{22}$/);
  });
});

describe("URLs for people", () => {
  it("hides user information and what terminals obey", () => {
    expect(displayUrl("https://user:p@ss@h/a@b\u001b[31m\u202e")).toBe("https://h/a@b[31m");
    expect(withoutUserinfo("https://h/a?b=c@d")).toBe("https://h/a?b=c@d");
    expect(withoutUserinfo("https://u@h")).toBe("https://h");
  });
});

describe("originOf, by any way it is found,", () => {
  const standard = (url: string): string | undefined => {
    try {
      const { origin, protocol } = new URL(url);
      return /^https?:$/.test(protocol) ? origin : undefined;
    } catch {
      return undefined;
    }
  };
  const scheme = fc.constantFrom(
    "http://",
    "https://",
    "HTTP://",
    "https:/",
    "http:",
    " http://",
    "ftp://",
    "ht\ntp://",
  );
  const host = fc.string({
    unit: fc.constantFrom(
      ..."ab0127.:@[]%-_\\\t\n é".split(""),
      "h",
      "127.1",
      "0x7f",
      "xn--",
      ":80",
      ":443",
      "[::1]",
    ),
    maxLength: 6,
  });
  const rest = fc.string({ unit: fc.constantFrom(..."/?#\\@: %\n[]a".split("")), maxLength: 6 });

  it("is what the URL standard says, whatever was asked before", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(scheme, host, rest), { minLength: 1, maxLength: 4 }), (all) => {
        for (const parts of [...all, ...all]) {
          const url = parts.join("");
          expect(originOf(url)).toBe(standard(url));
          if (standard(url) !== undefined) expect(requestTarget(url).origin).toBe(standard(url));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("stays the same for a host beyond ASCII, however often it is asked", () => {
    for (let i = 0; i < 50_000; i++) originOf(`https://h${i % 7}.example?${i}`);
    for (let i = 0; i < 50_000; i++) originOf(`https://é${i}.example`);
    expect(originOf("https://é.example/")).toBe("https://xn--9ca.example");
    expect(resolveLink("https://é.example/", "https://é.example/a b")).toBe("https://xn--9ca.example/a%20b");
    expect(isUrl("/x", "https://é.example/")).toBe(true);
  });
});
