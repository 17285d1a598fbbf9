import { isTemplate, parseTemplate } from "../expression/template.js";
import type { JsonObject } from "../model/json.js";
import { Secret } from "../model/secret.js";
import { attempt, type Finding, type Findings } from "./finding.js";

/** What a lookup of a secret or variable gives: the value, or every place that was tried. */
export type Found = { readonly value: string } | { readonly tried: readonly string[] };

/** Where plan time finds the values that a configuration refers to. */
export interface ValueSource {
  /** Variables of the pipeline; `config` in templates. */
  readonly variables: JsonObject;
  /** A variable that is not in `variables`, from the environment. */
  variable(name: string): Found;
  /** The clock of templates, milliseconds since 1970. Default: the system's. */
  readonly now?: () => number;
  /** A secret; asked for only when a template mentions it. */
  secret(name: string): Found;
  /** Makes a value known as secret, so that no output shows it. */
  conceal(value: string): void;
}

/** A scalar as text; undefined for what can't stand in a URL or header. */
export function scalarText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" || typeof value === "bigint"
    ? String(value)
    : undefined;
}

const ROOTS = ["config", "secrets"];
const SECRET_NAMES = /\bsecrets\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(?:'([^']*)'|"([^"]*)")\s*\])/g;

/**
 * Replaces every `{{ … }}` in a configured value, at any depth. What was made from a secret is a `Secret` afterwards,
 * so it can neither be printed nor stored by accident; everything else is plain JSON.
 */
export function resolveValue(
  value: unknown,
  source: ValueSource,
  path: Finding["path"],
  findings: Findings,
): unknown {
  if (typeof value === "string")
    return isTemplate(value) ? resolveText(value, source, path, findings) : value;
  if (Array.isArray(value)) {
    return value.map((item, index) => resolveValue(item, source, [...path, index], findings));
  }
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, resolveValue(item, source, [...path, key], findings)]),
    );
  }
  return value;
}

/** dlt's way to have braces around a placeholder's value. */
const BRACED_PLACEHOLDER = /\{\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}\}/;

function resolveText(text: string, source: ValueSource, path: Finding["path"], findings: Findings): unknown {
  const [, name] = BRACED_PLACEHOLDER.exec(text) ?? [];
  if (name !== undefined) {
    const [, parent, field] = /^resources\.([^.]+)\.(.+)$/.exec(name) ?? [];
    const exact =
      parent === undefined
        ? ""
        : ` Where there must be no blank, add { map: { braced: "{{ '{' ~ record.${field} ~ '}' }}" } } to the processing_steps of ${parent} and write {resources.${parent}.braced}.`;
    return findings.add(path, "three braces around a placeholder would begin an expression {{ … }}", {
      hint: `{${name}} is the value, { {${name}} } the value between braces with blanks.${exact}`,
    });
  }
  return attempt(
    () => {
      const template = parseTemplate(text, ROOTS);
      const secrets = secretsIn(text, source, path, findings);
      const value = template.evaluate({ config: source.variables, secrets }, source.now);
      if (!template.roots.includes("secrets")) return value;
      const result = scalarText(value) ?? "";
      // What was made from a secret, by a filter for example, is as secret.
      source.conceal(result);
      return new Secret(Object.keys(secrets).join(", "), result);
    },
    path,
    findings,
  );
}

/** The values of all secrets that the templates in a value name, at any depth; a missing one is a finding. */
export function secretsIn(
  value: unknown,
  source: ValueSource,
  path: Finding["path"],
  findings: Findings,
): Record<string, string> {
  const secrets: Record<string, string> = {};
  for (const name of secretNames(value)) {
    const found = source.secret(name);
    if ("value" in found) source.conceal(found.value);
    else {
      findings.add(path, `the secret "${name}" has no value; tried ${found.tried.join(", ")}`, {
        code: "config/missing-secret",
        hint: `Set one of the environment variables, or write ${name} = "…" into .sluice/secrets.toml.`,
      });
    }
    secrets[name] = "value" in found ? found.value : "";
  }
  return secrets;
}

function secretNames(value: unknown): string[] {
  if (typeof value === "string") {
    return [...value.matchAll(SECRET_NAMES)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
  }
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(secretNames) : [];
}
