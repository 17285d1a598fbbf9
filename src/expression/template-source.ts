import { SluiceError } from "../model/error.js";

/** A word, text, number or sign of an expression, and where it stands in the template. */
export interface Token {
  readonly kind: "name" | "string" | "number" | "sign";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** A template cut at its marks. `verbatim` is text, comments and raw blocks. */
export type Piece =
  | { readonly kind: "verbatim"; readonly text: string }
  | {
      readonly kind: "expression" | "statement";
      /** With its marks, as written. */
      readonly text: string;
      /** Without them. */
      readonly code: string;
      /** Whitespace control of the marks: `-`, `+` or empty. */
      readonly open: string;
      readonly close: string;
      readonly tokens: readonly Token[];
    };

const OPENING = new Set(["(", "[", "{"]);
const CLOSING = new Set([")", "]", "}"]);
const OPEN = /\{[{%#]/g;
const RAW = /\{%[-+]?\s*raw\s*[-+]?%\}[\s\S]*?\{%[-+]?\s*endraw\s*[-+]?%\}/y;
const TOKEN =
  /\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(0[xXoObB][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)|([\p{L}_][\p{L}\p{N}_]*)|(\*\*|\/\/|==|!=|<=|>=|\S))/suy;

/** Cuts a template at its marks. Give it only what the engine has accepted: it does not look for mistakes. */
export function cutTemplate(source: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  const verbatim = (end: number) => {
    if (end > at) pieces.push({ kind: "verbatim", text: source.slice(at, end) });
    at = Math.max(at, end);
  };
  for (;;) {
    OPEN.lastIndex = at;
    const mark = OPEN.exec(source);
    if (mark === null) break;
    verbatim(mark.index);
    if (mark[0] === "{#") {
      const end = source.indexOf("#}", at);
      verbatim(end === -1 ? source.length : end + 2);
      continue;
    }
    RAW.lastIndex = at;
    const raw = RAW.exec(source);
    if (raw !== null) {
      verbatim(at + raw[0].length);
      continue;
    }
    const piece = readCode(source, at, mark[0] === "{{" ? "expression" : "statement");
    pieces.push(piece);
    at += piece.text.length;
  }
  verbatim(source.length);
  return pieces;
}

function readCode(
  source: string,
  start: number,
  kind: "expression" | "statement",
): Piece & { tokens: unknown } {
  const end = kind === "expression" ? "}}" : "%}";
  const open = /[-+]/.exec(source[start + 2] ?? "")?.[0] ?? "";
  const first = start + 2 + open.length;
  const tokens: Token[] = [];
  let depth = 0;
  let at = first;
  let close = "";
  for (;;) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (match === null) break;
    const [, string, number, name, sign] = match;
    const text = string ?? number ?? name ?? sign ?? "";
    const from = TOKEN.lastIndex - text.length;
    if (depth === 0) {
      close = source.startsWith(end, from + 1) && (text === "-" || text === "+") ? text : "";
      if (source.startsWith(end, from + close.length)) {
        const code = source.slice(first, from);
        return { kind, text: source.slice(start, from + close.length + 2), code, open, close, tokens };
      }
    }
    if (OPENING.has(text)) depth += 1;
    if (CLOSING.has(text)) depth -= 1;
    const tokenKind =
      string !== undefined
        ? "string"
        : number !== undefined
          ? "number"
          : name !== undefined
            ? "name"
            : "sign";
    tokens.push({ kind: tokenKind, text, start: from - first, end: TOKEN.lastIndex - first });
    at = TOKEN.lastIndex;
  }
  return { kind, text: source.slice(start), code: source.slice(first), open, close, tokens };
}

/** What a template mentions. */
export interface Mentions {
  /** Names of the context, sorted, without those the template defines itself. */
  readonly roots: readonly string[];
  /** For each root: the keys it is asked for, or `all` when it is used as a whole or by a computed key. */
  readonly keys: ReadonlyMap<string, ReadonlySet<string> | "all">;
  readonly functions: ReadonlySet<string>;
  readonly filters: ReadonlySet<string>;
  readonly tests: ReadonlySet<string>;
  /** Arguments by name: the filter, function, test or method, and the name. */
  readonly keywords: readonly (readonly [string, string])[];
}

const WORDS = new Set("and or not in is if else true false none True False None recursive".split(" "));
const STATEMENTS = new Set(["if", "elif", "else", "endif", "for", "endfor", "set", "endset"]);

/**
 * Finds the names a template mentions.
 *
 * @throws SluiceError `config/invalid` for statements other than if, for and set: macros, includes and the like have no
 *   use in a configuration value.
 */
export function findMentions(pieces: readonly Piece[]): Mentions {
  const local = new Set<string>();
  const keys = new Map<string, Set<string> | "all">();
  const found = { functions: new Set<string>(), filters: new Set<string>(), tests: new Set<string>() };
  const keywords: [string, string][] = [];
  for (const piece of pieces) {
    if (piece.kind === "verbatim") continue;
    const tokens = piece.kind === "statement" ? afterKeyword(piece.tokens, local) : piece.tokens;
    for (const [index, token] of tokens.entries()) {
      if (token.kind !== "name" || WORDS.has(token.text)) continue;
      const before = tokens[index - 1]?.text;
      const after = tokens[index + 1]?.text;
      const negated = before === "not" && tokens[index - 2]?.text === "is";
      if (after === "=") {
        const called = calledAt(tokens, index);
        if (called !== undefined) keywords.push([called, token.text]);
        continue;
      }
      if (before === ".") continue;
      if (before === "|") found.filters.add(token.text);
      else if (before === "is" || negated) found.tests.add(token.text);
      else if (after === "(") found.functions.add(token.text);
      else addKey(keys, token.text, staticKey(tokens, index + 1));
    }
  }
  for (const name of local) keys.delete(name);
  return { roots: [...keys.keys()].sort(), keys, keywords, ...found };
}

/** What is called with the argument at this place; undefined outside of a call. */
function calledAt(tokens: readonly Token[], at: number): string | undefined {
  let depth = 0;
  for (let index = at - 1; index > 0; index--) {
    const text = tokens[index]?.text ?? "";
    if (CLOSING.has(text)) depth += 1;
    if (OPENING.has(text)) depth -= 1;
    const name = tokens[index - 1];
    if (depth < 0) return text === "(" && name?.kind === "name" ? name.text : undefined;
  }
  return undefined;
}

/** The expression part of a statement. Names that the statement defines are added to `local`. */
function afterKeyword(tokens: readonly Token[], local: Set<string>): readonly Token[] {
  const keyword = tokens[0]?.text ?? "";
  if (!STATEMENTS.has(keyword)) {
    throw new SluiceError("config/invalid", `{% ${keyword} %} can't be used in templates`, {
      hint: `Statements are ${[...STATEMENTS].join(", ")}.`,
    });
  }
  const assigns = keyword === "for" ? "in" : keyword === "set" ? "=" : undefined;
  if (assigns === undefined) return tokens.slice(1);
  const sign = tokens.findIndex((token) => token.text === assigns);
  const end = sign === -1 ? tokens.length : sign;
  for (const token of tokens.slice(1, end)) if (token.kind === "name") local.add(token.text);
  if (keyword === "for") local.add("loop");
  return tokens.slice(end + 1);
}

/** The key in `.key` or `['key']` at this place; undefined for a method call or a computed key. */
function staticKey(tokens: readonly Token[], at: number): string | undefined {
  const [sign, key, next] = [tokens[at], tokens[at + 1], tokens[at + 2]];
  if (sign?.text === "." && key?.kind === "name") return next?.text === "(" ? undefined : key.text;
  const plain = key?.kind === "string" && !key.text.includes("\\");
  return sign?.text === "[" && plain && next?.text === "]" ? key.text.slice(1, -1) : undefined;
}

function addKey(keys: Map<string, Set<string> | "all">, root: string, key: string | undefined): void {
  const known = keys.get(root);
  if (key === undefined || known === "all") keys.set(root, "all");
  else keys.set(root, (known ?? new Set<string>()).add(key));
}

/**
 * The expression in the engine's dialect. Two method calls that people know from Python are missing there:
 * `x.get(key, fallback)` becomes `(x[key]|default(fallback))`, and `x.strftime(format)` becomes `(x|strftime(format))`;
 * and `default(x, boolean=true)` loses the name of its argument.
 */
export function toDialect(piece: { readonly code: string; readonly tokens: readonly Token[] }): string {
  const { tokens } = piece;
  const edits: Edit[] = [];
  for (const [index, dot] of tokens.entries()) {
    const [method, paren] = [tokens[index + 1], tokens[index + 2]];
    // `default('x', boolean=true)`: the engine knows the second argument by its place alone.
    if (dot.text === "boolean" && method?.text === "=" && tokens[index - 1]?.text === ",")
      edits.push({ start: dot.start, end: method.end, text: "" });
    if (dot.text !== "." || method === undefined || paren?.text !== "(") continue;
    const { comma, end } = argumentsFrom(tokens, index + 3);
    if (method.text === "strftime") edits.push({ start: dot.start, end: method.start, text: "|" });
    else if (method.text === "get" && comma !== undefined) {
      edits.push({ start: dot.start, end: paren.end, text: "[" });
      edits.push({ start: comma.start, end: comma.end, text: "]|default(" });
    } else continue;
    const start = tokens[receiverStart(tokens, index - 1)]?.start ?? 0;
    edits.push({ start, end: start, text: "(" });
    edits.push({ start: end, end, text: ")" });
  }
  return applied(piece.code, edits);
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** From the end to the start, so that places stay right; a replacement before an insertion at the same place. */
function applied(code: string, edits: readonly Edit[]): string {
  let result = code;
  for (const { start, end, text } of [...edits].sort((a, b) => b.start - a.start || b.end - a.end)) {
    result = result.slice(0, start) + text + result.slice(end);
  }
  return result;
}

/** The comma after the first argument of a call, and where the call ends. */
function argumentsFrom(tokens: readonly Token[], from: number): { comma: Token | undefined; end: number } {
  let depth = 0;
  let comma: Token | undefined;
  for (const token of tokens.slice(from)) {
    if (depth === 0 && token.text === ",") comma ??= token;
    if (OPENING.has(token.text)) depth += 1;
    if (CLOSING.has(token.text)) depth -= 1;
    if (depth < 0) return { comma, end: token.end };
  }
  return { comma, end: tokens.at(-1)?.end ?? 0 };
}

/** The first token of the value that ends at this token: of `a.b(c)[d]` it is `a`. */
function receiverStart(tokens: readonly Token[], last: number): number {
  let at = last;
  for (;;) {
    let depth = 0;
    do {
      if (CLOSING.has(tokens[at]?.text ?? "")) depth += 1;
      if (OPENING.has(tokens[at]?.text ?? "")) depth -= 1;
      if (depth > 0) at -= 1;
    } while (depth > 0 && at > 0);
    const before = tokens[at - 1];
    const bracket = OPENING.has(tokens[at]?.text ?? "");
    if (before?.text === ".") at -= 2;
    else if (bracket && before !== undefined && (CLOSING.has(before.text) || isValueName(before))) at -= 1;
    else return at;
  }
}

function isValueName(token: Token): boolean {
  return token.kind === "string" || (token.kind === "name" && !WORDS.has(token.text));
}
