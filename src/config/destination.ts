import { dirname, join, relative, resolve } from "node:path";
import { destinations } from "../destinations/index.js";
import type { Destination } from "../model/destination.js";
import type { Problem } from "../model/error.js";
import { didYouMean } from "../model/suggest.js";
import type { ConfigDocument } from "./document.js";
import { problemAt, toProblems } from "./problems.js";

/** For problems with a destination that stands in no file, but was given on the command line or by default. */
const NOWHERE: Pick<ConfigDocument, "locate"> = { locate: () => ({}) };

/**
 * The destination that is meant: the URI given from outside, else what the configuration has (a URI, or a destination
 * already), else a DuckDB file beside the configuration.
 */
export function chooseDestination(
  given: string | undefined,
  configured: unknown,
  fallbackFile: string,
  document: ConfigDocument,
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
  const uri = given ?? configured ?? `duckdb:${fallbackFile}`;
  const place = given === undefined && configured !== undefined ? document : NOWHERE;
  const schemes = destinations.flatMap(({ scheme }) => scheme);
  const scheme = typeof uri === "string" ? (/^([A-Za-z][\w+.-]*):/.exec(uri)?.[1] ?? "") : "";
  const definition = destinations.find((candidate) => candidate.scheme.includes(scheme));
  if (definition === undefined || typeof uri !== "string") {
    const message = `no destination has the scheme "${scheme}:"${didYouMean(scheme, schemes)}`;
    const hint = `A destination is a URI such as duckdb:calls.duckdb; known schemes are ${schemes.join(", ")}.`;
    problems.push(problemAt(place, ["destination"], message, hint));
    return undefined;
  }
  const parsed = definition.options.safeParse(definition.fromUri(uri));
  if (parsed.success) return definition.create(parsed.data as never);
  const context = { document: place, value: uri, path: ["destination"], schema: definition.options };
  problems.push(...toProblems(parsed.error.issues, context));
  return undefined;
}

/** The default database stands beside the configuration. */
export function defaultFile(pipeline: string, file: string | undefined, cwd: string): string {
  const folder = file === undefined ? cwd : dirname(resolve(cwd, file));
  const path = join(folder, `${pipeline}.duckdb`);
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
}
