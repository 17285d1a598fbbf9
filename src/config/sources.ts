import { CHECKED_ONCE } from "../model/checked-once.js";
import type { Problem } from "../model/error.js";
import type { Resource } from "../model/source.js";
import type { PlanEnvironment } from "../rest/environment.js";
import type { Finding } from "../rest/finding.js";
import { restApiOptions } from "../rest/options.js";
import { type PlannedResource, planRestApi } from "../rest/plan.js";
import type { RestApiSource } from "./define.js";
import type { ConfigDocument, ConfigPath } from "./document.js";
import { configError, problemAt, toProblems, withoutMistakes } from "./problems.js";
import type { Setting } from "./set.js";

/** Keys of a rest_api configuration that may stand at the top level. */
const BARE_KEYS = new Set(["client", "resources", "resource_defaults"]);

export interface PlacedSource {
  readonly source: unknown;
  readonly path: ConfigPath;
}

/** The configuration as plain values: `restApi({ … })` gives way to what it wraps. */
export function withoutWrappers(value: unknown): unknown {
  if (isRestApi(value)) return value.config;
  if (typeof value !== "object" || value === null || !("source" in value)) return value;
  const { source } = value;
  const unwrapped = (item: unknown) => (isRestApi(item) ? item.config : item);
  return { ...value, source: Array.isArray(source) ? source.map(unwrapped) : unwrapped(source) };
}

/** The setting meant for the one source of a pipeline, as if its keys stood at the top: `client.base_url`. */
export function settingInSource(setting: Setting, value: unknown): Setting {
  if (setting.kind !== "path" || !BARE_KEYS.has(setting.path[0] ?? "")) return setting;
  const hasOneSource =
    typeof value === "object" && value !== null && "source" in value && !Array.isArray(value.source);
  return hasOneSource ? { ...setting, path: ["source", ...setting.path] } : setting;
}

/** Takes the pipeline's own keys and its sources apart, whichever way they were written. */
export function splitConfig(document: ConfigDocument): {
  keys: Record<string, unknown>;
  sources: readonly PlacedSource[];
} {
  const { value } = document;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const message = "the configuration must be an object with client and resources, or with source";
    throw configError([problemAt(document, [], message)]);
  }
  const entries = Object.entries(value);
  const bare = Object.fromEntries(entries.filter(([key]) => BARE_KEYS.has(key)));
  const keys = Object.fromEntries(entries.filter(([key]) => !BARE_KEYS.has(key)));
  const { source } = keys;
  if (source === undefined) return { keys, sources: [{ source: bare, path: [] }] };
  if (Object.keys(bare).length > 0) {
    const message = `"source" and ${Object.keys(bare).join(", ")} can't stand side by side`;
    throw configError([problemAt(document, ["source"], message, "Move them under source.")]);
  }
  if (!Array.isArray(source)) return { keys, sources: [{ source, path: ["source"] }] };
  return { keys, sources: source.map((item, index) => ({ source: item, path: ["source", index] })) };
}

function isRestApi(value: unknown): value is RestApiSource {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "rest_api";
}

export function isResource(value: unknown): value is Resource {
  return typeof value === "object" && value !== null && "read" in value && "hints" in value;
}

/**
 * Validates one rest_api configuration and plans its resources. With mistakes in some places the rest is planned all
 * the same, so that unbound placeholders and missing secrets are told together with misspelt keys. `ready` are the
 * resources beside it that may be parents.
 */
export function planSource(
  source: unknown,
  path: ConfigPath,
  document: ConfigDocument,
  env: PlanEnvironment,
  ready: readonly Resource[],
): { resources: readonly PlannedResource[]; problems: readonly Problem[] } {
  const parsed = restApiOptions.safeParse(source, CHECKED_ONCE);
  if (parsed.success) {
    const { resources, findings } = planRestApi(parsed.data, env, ready);
    return { resources, problems: findings.flatMap((finding) => problemsOf(finding, path, document)) };
  }
  const { issues } = parsed.error;
  const problems = toProblems(issues, { document, value: document.value, path, schema: restApiOptions });
  const rest = restApiOptions.safeParse(withoutMistakes(source, issues), CHECKED_ONCE);
  if (!rest.success) return { resources: [], problems };
  const { findings } = planRestApi(rest.data, env, ready);
  return {
    resources: [],
    problems: [...problems, ...findings.flatMap((finding) => problemsOf(finding, path, document))],
  };
}

function problemsOf(finding: Finding, prefix: ConfigPath, document: ConfigDocument): Problem[] {
  const path = [...prefix, ...finding.path];
  if ("error" in finding)
    return toProblems(finding.error.issues, {
      document,
      value: document.value,
      path,
      schema: finding.schema,
    });
  const problem = problemAt(document, path, finding.message, finding.hint);
  return [finding.code === undefined ? problem : { ...problem, code: finding.code }];
}
