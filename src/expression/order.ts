import { cutTemplate, type Token } from "./template-source.js";

/** The function that a guarded comparison calls when its values have no order. */
export const UNORDERED = "__unordered";

const ORDER = new Set(["<", ">", "<=", ">="]);
const CLOSING = new Set([")", "]", "}"]);
const OPENING = new Set(["(", "[", "{"]);
/** What ends an operand of a comparison: everything that binds no tighter than it. */
const BETWEEN = new Set([...ORDER, ..."== != = , : and or not in if else elif".split(" ")]);

/**
 * An expression whose `<`, `>`, `<=` and `>=` fail when a side is missing or null, or only one of them is a text. Python
 * and Jinja raise there; the engine puts such values into an order of its own, and a `stop_condition` on a field that
 * the API has renamed would quietly be false for ever. Equality is left as it is.
 *
 * @param code an expression or statement without its marks, in the engine's dialect.
 */
export function guardOrder(code: string): string {
  if (!/[<>]/.test(code)) return code;
  const [piece] = cutTemplate(`{{ ${code} }}`);
  if (piece === undefined || piece.kind === "verbatim") return code;
  return guarded(piece.tokens, piece.code);
}

function guarded(tokens: readonly Token[], code: string): string {
  let result = "";
  let sign = "";
  let left = "";
  for (const { operand, after } of operandsOf(tokens, code)) {
    const isCompared = ORDER.has(sign) || ORDER.has(after);
    result += isCompared ? checked(operand, ORDER.has(sign) ? left : undefined) : operand;
    result += after === "" ? "" : ` ${after} `;
    sign = after;
    left = operand;
  }
  return result;
}

/** The operand, or a failure. It stands there twice, as its value must not leave the engine, which keeps large integers exact. */
function checked(operand: string, left: string | undefined): string {
  const value = `(${operand})`;
  const conditions = [
    `${value} is defined`,
    `${value} is not none`,
    ...(left === undefined ? [] : [`(${value} is string) == ((${left}) is string)`]),
  ];
  return `(${value} if ${conditions.join(" and ")} else ${UNORDERED}())`;
}

interface Operand {
  readonly operand: string;
  /** The word or sign that ends it; empty at the end. */
  readonly after: string;
}

function operandsOf(tokens: readonly Token[], code: string): readonly Operand[] {
  const operands: Operand[] = [];
  let operand = "";
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] as Token;
    const previous = tokens[at - 1];
    const isTest = token.text === "not" && previous?.text === "is";
    if (token.kind !== "string" && BETWEEN.has(token.text) && !isTest) {
      operands.push({ operand, after: token.text });
      operand = "";
      continue;
    }
    operand += operand === "" ? token.text : code.slice(previous?.end ?? 0, token.end);
    if (!OPENING.has(token.text)) continue;
    const end = closing(tokens, at);
    operand += `${guarded(tokens.slice(at + 1, end), code)}${tokens[end]?.text ?? ""}`;
    at = end;
  }
  return [...operands, { operand, after: "" }];
}

function closing(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let at = from; at < tokens.length; at++) {
    const { text } = tokens[at] as Token;
    if (OPENING.has(text)) depth += 1;
    if (CLOSING.has(text)) depth -= 1;
    if (depth === 0) return at;
  }
  return tokens.length;
}
