import type { Event } from "../src/model/event.js";
import type { Json } from "../src/model/json.js";
import { memoryNotes } from "../src/model/notes.js";
import { Redactor } from "../src/model/secret.js";
import type { Completeness, Io, Page, Resource } from "../src/model/source.js";
import type { Position } from "../src/model/state.js";
import type { RestApiConfig } from "../src/rest/config.js";
import type { PlanEnvironment } from "../src/rest/environment.js";
import { restApiOptions } from "../src/rest/options.js";
import { planRestApi } from "../src/rest/plan.js";

/** Plans a configuration as the pipeline does, with the secrets and variables that tests use. */
export function planRest(config: RestApiConfig, ready: readonly Resource[] = []) {
  const redactor = new Redactor();
  const env: PlanEnvironment = {
    variables: { region: "eu" },
    variable: () => ({ tried: [] }),
    secret: () => ({ value: "canary-77" }),
    conceal: (value) => redactor.add(value),
    redactor,
    userAgent: "sluice/test",
  };
  return planRestApi(restApiOptions.parse(config), env, ready);
}

/** What is wrong with a configuration, a line for each mistake: its path and the message. */
export function mistakesIn(config: RestApiConfig): string[] {
  return planRest(config).findings.map((finding) =>
    "message" in finding
      ? `${finding.path.join(".")}: ${finding.message}`
      : `${finding.path.join(".")}: ${finding.error.message}`,
  );
}

export interface ReadResult {
  readonly pages: readonly Page[];
  readonly records: readonly Json[];
  readonly completeness: Completeness | undefined;
  readonly events: readonly Event[];
  readonly warnings: readonly Extract<Event, { type: "warning" }>[];
}

/** Reads one resource to its end, or up to a number of pages. Waits take no time. */
export async function readRest(
  config: RestApiConfig,
  name: string,
  options: { readonly from?: Position; readonly pages?: number; readonly ready?: readonly Resource[] } = {},
): Promise<ReadResult> {
  const { findings, resources } = planRest(config, options.ready);
  if (findings.length > 0) throw new Error(mistakesIn(config).join("\n"));
  const events: Event[] = [];
  const io: Io = {
    notes: memoryNotes(),
    signal: new AbortController().signal,
    emit: (event) => void events.push(event),
    runtime: { now: () => 0, random: () => 0, sleep: async () => {} },
  };
  const pages: Page[] = [];
  const planned = resources.find(({ resource }) => resource.name === name);
  if (planned === undefined) throw new Error(`no resource ${name}`);
  for await (const page of planned.resource.read(options.from, io)) {
    pages.push(page);
    if (pages.length === options.pages) break;
  }
  return {
    pages,
    records: pages.flatMap(({ records }) => records.values),
    completeness: pages.at(-1)?.completeness,
    events,
    warnings: events.filter((event) => event.type === "warning"),
  };
}
