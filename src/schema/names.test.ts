import { describe, expect, it } from "vitest";
import { identityOf, Names } from "./names.js";

describe("Names", () => {
  it("lets the first source keep the plain name and gives the second a suffix", () => {
    const names = new Names(255);
    expect(names.claim(identityOf(["Id"]), "id")).toBe("id");
    const second = names.claim(identityOf(["ID"]), "id");
    expect(second).toMatch(/^id_[0-9a-f]{6}$/);
    expect(names.claim(identityOf(["ID"]), "id")).toBe(second);
    expect(names.claim(identityOf(["Id"]), "id")).toBe("id");
  });

  it("gives the same suffix in another run, whatever else came before", () => {
    const first = new Names(255);
    first.claim("a", "name");
    const second = new Names(255);
    second.claim("c", "name");
    second.claim("d", "name");
    expect(second.claim("b", "name")).toBe(first.claim("b", "name"));
  });

  it("gives seeded sources their names back, in any order", () => {
    const names = new Names(255);
    names.seed("b", "id_123456");
    names.seed("a", "id");
    expect(names.claim("b", "id")).toBe("id_123456");
    expect(names.claim("a", "id")).toBe("id");
  });

  it("keeps reserved names from sources, and ignores case", () => {
    const names = new Names(255);
    names.reserve("_Sluice_Id");
    expect(names.claim("x", "_sluice_id")).toMatch(/^_sluice_id_[0-9a-f]{6}$/);
  });

  it("stays within the longest name, and finds another suffix when one is taken", () => {
    const names = new Names(10);
    names.reserve("abcdefghij");
    const suffixed = names.claim("x", "abcdefghij");
    expect(suffixed).toMatch(/^abc_[0-9a-f]{6}$/);
    const other = new Names(10);
    other.reserve("abcdefghij");
    other.reserve(suffixed);
    const next = other.claim("x", "abcdefghij");
    expect(next).toMatch(/^abc_[0-9a-f]{6}$/);
    expect(next).not.toBe(suffixed);
  });

  it("cuts whole characters for a suffix, by bytes", () => {
    const names = new Names(20);
    names.reserve("😀😀😀😀😀");
    expect(names.claim("x", "😀😀😀😀😀")).toMatch(/^😀😀😀_[0-9a-f]{6}$/u);
  });

  it("gives the prefix of system columns to nobody, and tells of all that had to give way", () => {
    const names = new Names(255);
    names.claim("a", "name");
    const other = names.claim("b", "Name");
    const system = names.claim("c", "_SLUICE_any");
    expect(system).toMatch(/^_SLUICE_any_[0-9a-f]{6}$/);
    expect(names.collisions).toEqual([
      { identity: "b", wanted: "Name", name: other },
      { identity: "c", wanted: "_SLUICE_any", name: system },
    ]);
  });

  it("tells paths apart that look alike when joined", () => {
    expect(identityOf(["a", "b"])).not.toBe(identityOf(["a,b"]));
    expect(identityOf(["a__b"])).not.toBe(identityOf(["a", "b"]));
  });
});
