import type { Document, LineCounter, Node, YAMLError } from "yaml";
import { SluiceError } from "../model/error.js";
import type { ConfigDocument, ConfigPath } from "./document.js";
import { yaml } from "./yaml.js";

/** Aliases may multiply a document this often; a "billion laughs" file is far above, real files far below. */
const MAX_ALIAS_COUNT = 100;
/** Deeper files are refused before parsing: the parser recurses, and Node aborts when it meets the end of the stack. */
const MAX_DEPTH = 200;

const QUOTE_HINT = 'Put values that begin with { in quotes: key: "{{ expression }}".';

/** A syntax error and the line it is in. */
interface SyntaxFinding {
  readonly line: number;
  readonly message: string;
  readonly hint?: string;
}

/**
 * YAML 1.2 (of which JSON is a subset) with the lines of everything in it.
 *
 * @param file name for messages
 * @throws SluiceError `config/unreadable` listing all syntax errors with their lines
 */
export function parseYaml(text: string, file: string): ConfigDocument {
  if (isTooDeep(text))
    throw unreadable(file, [{ line: 1, message: `nested deeper than ${MAX_DEPTH} levels` }]);
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    // Pretty errors quote the source, which may hold a secret.
    prettyErrors: false,
    intAsBigInt: true,
    merge: false,
    uniqueKeys: true,
  });
  const findings = syntaxFindings(document, text, lines);
  if (findings.length > 0) throw unreadable(file, findings);
  return {
    file,
    value: toValue(document, file),
    locate: (path) => ({ file: `${file}:${lineOf(document, path, lines)}` }),
  };
}

function toValue(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIAS_COUNT, reviver: (_key, value) => narrow(value) });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw unreadable(file, [{ line: 1, message }]);
  }
}

/** Integers are read as bigint so that none loses digits; those that a double holds exactly become numbers. */
function narrow(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function syntaxFindings(document: Document, text: string, lines: LineCounter): SyntaxFinding[] {
  const source = text.split("\n");
  const errors = document.errors.map((error) => fromYaml(error, source, lines));
  return onePerLine([
    ...unquotedTemplates(document, lines),
    ...unresolvedAliases(document, lines),
    ...errors,
  ]);
}

function fromYaml(error: YAMLError, source: readonly string[], lines: LineCounter): SyntaxFinding {
  const { line } = lines.linePos(error.pos[0]);
  // The parser's messages may end in the offending source text, which may hold a secret.
  const message = error.message.replace(/ (token in YAML stream: ).*/s, "");
  if (/[:-]\s+\{/.test(source[line - 1] ?? "") && error.code !== "DUPLICATE_KEY") {
    return {
      line,
      message: "a value that begins with { is not in quotes, so YAML takes it for a map",
      hint: QUOTE_HINT,
    };
  }
  return { line, message: lowerFirst(message) };
}

/** `key: {{ x }}` is valid YAML: a map whose key is a map. Nobody means that. */
function unquotedTemplates(document: Document, lines: LineCounter): SyntaxFinding[] {
  const { isCollection, visit } = yaml();
  const findings: SyntaxFinding[] = [];
  visit(document, {
    Pair(_key, pair) {
      if (!isCollection(pair.key)) return undefined;
      findings.push({
        line: lineAt(pair.key, lines) ?? 1,
        message: "{{ … }} is not in quotes, so YAML takes it for a map",
        hint: QUOTE_HINT,
      });
      return visit.SKIP;
    },
  });
  return findings;
}

function unresolvedAliases(document: Document, lines: LineCounter): SyntaxFinding[] {
  const findings: SyntaxFinding[] = [];
  yaml().visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) !== undefined) return;
      const line = lineAt(alias, lines) ?? 1;
      findings.push({
        line,
        message: `alias *${alias.source} has no anchor before it; quote a text that begins with *`,
      });
    },
  });
  return findings;
}

/** After the first error of a line the parser is confused; what it says next about that line misleads. */
function onePerLine(findings: readonly SyntaxFinding[]): SyntaxFinding[] {
  const byLine = new Map<number, SyntaxFinding>();
  for (const finding of findings) {
    const known = byLine.get(finding.line);
    if (known === undefined || (known.hint === undefined && finding.hint !== undefined)) {
      byLine.set(finding.line, finding);
    }
  }
  return [...byLine.values()].sort((a, b) => a.line - b.line);
}

function unreadable(file: string, findings: readonly SyntaxFinding[]): SluiceError {
  const hint = findings.find((finding) => finding.hint !== undefined)?.hint;
  const [first] = findings;
  const place = (finding: SyntaxFinding) => `${file}:${finding.line}`;
  const message =
    first !== undefined && findings.length === 1
      ? `${place(first)}: ${first.message}`
      : [
          `${findings.length} syntax errors in ${file}`,
          ...findings.map((finding) => `  ${place(finding)}: ${finding.message}`),
        ].join("\n");
  return new SluiceError("config/unreadable", message, {
    at: { file: first === undefined ? file : place(first) },
    problems: findings.map((finding) => ({
      message: finding.message,
      at: { file: place(finding) },
      ...(finding.hint === undefined ? {} : { hint: finding.hint }),
    })),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The line of the key that leads to `path`, or of the deepest part of it that the file has. */
function lineOf(document: Document, path: ConfigPath, lines: LineCounter): number {
  let node: unknown = document.contents;
  let line = lineAt(node, lines) ?? 1;
  for (const step of path) {
    const found = childOf(node, step, document);
    if (found === undefined) return line;
    line = lineAt(found.at, lines) ?? line;
    node = found.value;
  }
  return line;
}

function childOf(
  node: unknown,
  step: string | number,
  document: Document,
): { at: unknown; value: unknown } | undefined {
  const { isAlias, isMap, isScalar, isSeq } = yaml();
  const resolved = isAlias(node) ? node.resolve(document) : node;
  if (isMap(resolved)) {
    const pair = resolved.items.find(
      (item) => String(isScalar(item.key) ? item.key.value : item.key) === String(step),
    );
    return pair === undefined ? undefined : { at: pair.key, value: pair.value };
  }
  if (!isSeq(resolved)) return undefined;
  const item = resolved.items[Number(step)];
  return item === undefined ? undefined : { at: item, value: item };
}

function lineAt(node: unknown, lines: LineCounter): number | undefined {
  const range = (node as Node | null)?.range;
  return range === undefined || range === null ? undefined : lines.linePos(range[0]).line;
}

/** Counts brackets (those in texts too: they are balanced, or few) and `- - -` runs. */
function isTooDeep(text: string): boolean {
  if (new RegExp(`(?:[-?] +){${MAX_DEPTH}}`).test(text)) return true;
  let depth = 0;
  for (const character of text) {
    if (character === "[" || character === "{") depth += 1;
    else if ((character === "]" || character === "}") && depth > 0) depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
