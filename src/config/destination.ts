import { dirname, join, relative, resolve } from "node:path";
import { destinations } from "../destinations/index.js";
import { CHECKED_ONCE } from "../model/checked-once.js";
import type { Destination } from "../model/destination.js";
import type { Problem } from "../model/error.js";
import { Secret } from "../model/secret.js";
import { didYouMean } from "../model/suggest.js";
import { Findings } from "../rest/finding.js";
import { resolveValue, type ValueSource } from "../rest/values.js";
import type { ConfigDocument } from "./document.js";
import { problemAt, toProblems } from "./problems.js";

/** For problems with a destination that stands in no file, but was given on the command line or by default. */
const NOWHERE: Pick<ConfigDocument, "locate"> = { locate: () => ({}) };

/**
 * The destination that is meant: the URI given from outside, else what the configuration has (a URI, or a destination
 * already), else a DuckDB file beside the configuration. A URI may refer to secrets, and what it holds of them is known
 * to be secret afterwards.
 */
export function chooseDestination(
  given: string | undefined,
  configured: unknown,
  fallbackFile: string,
  document: ConfigDocument,
  values: ValueSource,
  problems: Problem[],
): Destination | undefined {
  if (
    given === undefined &&
    typeof configured === "object" &&
    configured !== null &&
    "connect" in configured
  ) {
    return configured as Destination;
  }
  const place = given === undefined && configured !== undefined ? document : NOWHERE;
  const uri = resolved(given ?? configured ?? `duckdb:${fallbackFile}`, values, place, problems);
  if (uri === undefined) return undefined;
  const schemes = destinations.flatMap(({ scheme }) => scheme);
  const scheme = typeof uri === "string" ? (/^([A-Za-z][\w+.-]*):/.exec(uri)?.[1] ?? "") : "";
  const definition = destinations.find((candidate) => candidate.scheme.includes(scheme));
  if (definition === undefined || typeof uri !== "string") {
    const message = `no destination has the scheme "${scheme}:"${didYouMean(scheme, schemes)}`;
    const hint = `A destination is a URI such as duckdb:calls.duckdb; known schemes are ${schemes.join(", ")}.`;
    problems.push(problemAt(place, ["destination"], message, hint));
    return undefined;
  }
  const parsed = definition.options.safeParse(definition.fromUri(uri), CHECKED_ONCE);
  if (parsed.success) {
    for (const value of Object.values(parsed.data as object)) {
      if (value instanceof Secret) values.conceal(value.reveal());
    }
    return definition.create(parsed.data as never);
  }
  const context = { document: place, value: uri, path: ["destination"], schema: definition.options };
  problems.push(...toProblems(parsed.error.issues, context));
  return undefined;
}

/** A value with its `{{ … }}` replaced; undefined when that failed, which is a problem then. */
function resolved(
  value: unknown,
  values: ValueSource,
  place: Pick<ConfigDocument, "locate">,
  problems: Problem[],
): unknown {
  const findings = new Findings();
  const found = resolveValue(value, values, ["destination"], findings);
  for (const finding of findings.all) {
    if (!("message" in finding)) continue;
    const { message, hint, code } = finding;
    problems.push({
      ...problemAt(place, ["destination"], message, hint),
      ...(code === undefined ? {} : { code }),
    });
  }
  if (findings.all.length > 0) return undefined;
  return found instanceof Secret ? found.reveal() : found;
}

/** The default database stands beside the configuration. */
export function defaultFile(pipeline: string, file: string | undefined, cwd: string): string {
  const folder = file === undefined ? cwd : dirname(resolve(cwd, file));
  const path = join(folder, `${pipeline}.duckdb`);
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
}
