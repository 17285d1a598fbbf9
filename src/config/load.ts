import { existsSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { createBudgets } from "../http/budgets.js";
import type { HttpRequest } from "../http/message.js";
import { CHECKED_ONCE } from "../model/checked-once.js";
import type { Destination } from "../model/destination.js";
import { type Problem, SluiceError } from "../model/error.js";
import { Redactor } from "../model/secret.js";
import type { NamingConvention, Resource, Runtime } from "../model/source.js";
import { UNSUPPORTED_HINT, unsupportedMessage, whatIsMissing } from "../model/supports.js";
import { DEFAULT_CHECKPOINT } from "../pipeline/lane.js";
import type { PipelinePlan } from "../pipeline/run.js";
import type { PlanEnvironment } from "../rest/environment.js";
import { restApiOptions } from "../rest/options.js";
import type { PlannedResource } from "../rest/plan.js";
import { namingOf, tableName } from "../schema/naming.js";
import type { PipelineConfig } from "./define.js";
import { chooseDestination, defaultFile } from "./destination.js";
import { type ConfigDocument, shownFile } from "./document.js";
import { findConfig } from "./find.js";
import { milliseconds } from "./history.js";
import { type PipelineOptions, pipelineOptions } from "./options.js";
import { configError, problemAt, toProblems } from "./problems.js";
import { readConfigFile } from "./read.js";
import { readSchemaFile, type SchemaFile, withSchemaFile } from "./schema-file.js";
import { readSchemaOptions, withHints } from "./schema-options.js";
import { createLookup, type Lookups } from "./secrets.js";
import { applySettings, parseSetting, settingVariables } from "./set.js";
import { isResource, planSource, settingInSource, splitConfig, withoutWrappers } from "./sources.js";
import { openTape, type TapeInUse } from "./tape.js";
import { VERSION } from "./version.js";

export interface LoadOptions {
  /** Path of a configuration file. Default: sluice.config.* in `cwd`. */
  readonly config?: string;
  /** Default: the process's. */
  readonly cwd?: string;
  /** Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Name of the pipeline, instead of the configured one. */
  readonly pipeline?: string;
  /** `key=value`: a variable, or with dots in the key a place in the configuration. */
  readonly set?: readonly string[];
  /** URI, instead of the configured destination. */
  readonly destination?: string;
  /** Instead of the configured dataset. */
  readonly dataset?: string;
  /** A folder that keeps every exchange with the API, without credentials; a recording in it is replaced. */
  readonly record?: string;
  /**
   * A folder that `record` has made: its exchanges answer instead of the network, and secrets that are missing are made
   * up. A resource of one's own is not recorded: it still reads what it reads.
   */
  readonly replay?: string;
  /**
   * For configurations that are not trusted: no request of a `rest_api` source goes to this machine, to a private
   * network or to a cloud's metadata service (`http/private-network`). A configuration can't change it; one in
   * TypeScript is code, which this does not hold. Default false.
   */
  readonly blockPrivateNetwork?: boolean;
  /** `ignore`: a schema file that is not there yet is no mistake, as when it is to be written. Default: it is one. */
  readonly missingSchema?: "ignore";
}

/** A configuration that was read, checked as a whole, and is ready to run. */
export interface Pipeline {
  readonly name: string;
  readonly dataset: string;
  readonly destination: Pick<Destination, "type" | "location" | "queryHint">;
  /** Names of the selected resources. */
  readonly resources: readonly string[];
  /** The file it came from, relative to the working directory. */
  readonly file?: string;
  /** @internal What `run`, `check` and `preview` work with. */
  readonly parts: PipelineParts;
}

export interface PipelineParts {
  readonly plan: PipelinePlan;
  readonly redactor: Redactor;
  /** The first request of each REST resource, without credentials. */
  readonly requests: Readonly<Record<string, HttpRequest>>;
  /** The REST resources, those that are read only as parents included. */
  readonly planned: Readonly<Record<string, PlannedResource>>;
  /** Clock and chance where a recording sets them. */
  readonly runtime?: Runtime;
  /** `LoadOptions.blockPrivateNetwork`, as it was planned. */
  readonly blocksPrivateNetwork: boolean;
}

/**
 * Finds, reads and checks a pipeline. Nothing is sent and no database is opened.
 *
 * @throws SluiceError config/not-found, config/unreadable, or with every problem listed config/invalid,
 *   config/missing-secret, config/unbound-variable.
 */
export async function loadPipeline(options: LoadOptions = {}): Promise<Pipeline> {
  const cwd = options.cwd ?? process.cwd();
  const document = await readConfigFile(await findConfig(cwd, options.config), cwd);
  return buildPipeline(document, options, document.file);
}

/** Checks a configuration that is already a value; `run` does this for configurations given as objects. */
export function definePipeline(config: PipelineConfig, options: LoadOptions = {}): Pipeline {
  const document = {
    file: "the configuration",
    value: config,
    locate: () => ({}),
  };
  return buildPipeline(document, options, undefined);
}

function buildPipeline(read: ConfigDocument, options: LoadOptions, file: string | undefined): Pipeline {
  const cwd = options.cwd ?? process.cwd();
  const value = withoutWrappers(read.value);
  const settings = (options.set ?? []).map((text) => settingInSource(parseSetting(text), value));
  const document = { ...read, value: applySettings(value, settings), locate: read.locate };
  const { keys, sources } = splitConfig(document);
  const problems: Problem[] = [];

  const parsed = pipelineOptions.safeParse(keys, CHECKED_ONCE);
  if (!parsed.success)
    problems.push(...toProblems(parsed.error.issues, { document, value: document.value, schema: topLevel }));
  const config: PipelineOptions = parsed.success ? parsed.data : {};
  const name = options.pipeline ?? config.pipeline ?? nameOf(file);
  const redactor = new Redactor();
  const tape = openTape(options, cwd, redactor);
  const env = planEnvironment({
    lookup: createLookup({ env: options.env ?? process.env, cwd, pipeline: name }),
    variables: { ...config.variables, ...settingVariables(settings) },
    redactor,
    tape,
    blockPrivateNetwork: options.blockPrivateNetwork ?? false,
  });

  const restResources: Record<string, PlannedResource> = {};
  const resources: Resource[] = [];
  const ready = sources.flatMap(({ source }) => (isResource(source) ? [source] : []));
  for (const { source, path } of sources) {
    if (isResource(source)) {
      resources.push(source);
      continue;
    }
    const planned = planSource(source, path, document, env, ready);
    problems.push(...planned.problems);
    for (const entry of planned.resources) {
      restResources[entry.resource.name] = entry;
      if (entry.selected) resources.push(entry.resource);
    }
  }
  const schema = readSchemaOptions(config.schema);
  for (const entry of Object.values(restResources))
    restResources[entry.resource.name] = { ...entry, resource: withNaming(entry.resource, schema.naming) };
  let loaded: readonly Resource[] = resources.map((resource) => withNaming(resource, schema.naming));
  problems.push(...sharedTables(loaded, document));
  const historyMs = config.keep_history === undefined ? undefined : milliseconds(config.keep_history);
  if (config.keep_history !== undefined && historyMs === undefined)
    problems.push(
      problemAt(document, ["keep_history"], "this is no duration", "For example 90d, 6mo or P1Y."),
    );
  const fallback = defaultFile(name, file, cwd);
  const destination = chooseDestination(
    options.destination,
    config.destination,
    fallback,
    document,
    env,
    problems,
  );
  const schemaFile = openSchemaFile(schema.file, file, cwd, options.missingSchema === "ignore");
  if (schemaFile !== undefined) {
    const maxBytes = destination?.maxIdentifierBytes;
    const declared = withSchemaFile(loaded, schemaFile, maxBytes, Object.keys(restResources));
    loaded = declared.resources;
    problems.push(...declared.problems);
  }
  problems.push(...unsupported(destination, loaded, document));
  if (problems.length > 0 || destination === undefined) throw redacted(configError(problems), redactor);

  const plan: PipelinePlan = {
    name,
    dataset: options.dataset ?? config.dataset ?? name,
    destination,
    resources: loaded,
    checkpoint: {
      rows: config.checkpoint?.rows ?? DEFAULT_CHECKPOINT.rows,
      bytes: config.checkpoint?.bytes ?? DEFAULT_CHECKPOINT.bytes,
      seconds: config.checkpoint?.seconds ?? DEFAULT_CHECKPOINT.seconds,
    },
    concurrency: config.concurrency ?? DEFAULT_CONCURRENCY,
    normalizerThreads: config.normalizer_threads,
    ...(historyMs === undefined ? {} : { historyMs }),
  };
  return {
    name,
    dataset: plan.dataset,
    destination,
    resources: resources.map((resource) => resource.name),
    ...(file === undefined ? {} : { file }),
    parts: {
      plan,
      redactor,
      requests: Object.fromEntries(
        Object.entries(restResources).flatMap(([name, { request }]) =>
          request === undefined ? [] : [[name, request]],
        ),
      ),
      planned: restResources,
      blocksPrivateNetwork: options.blockPrivateNetwork ?? false,
      ...(tape?.runtime === undefined ? {} : { runtime: tape.runtime }),
    },
  };
}

const DEFAULT_CONCURRENCY = 5;

/** All keys that may stand at the top, for suggestions. */
const topLevel = pipelineOptions.extend(restApiOptions.shape);

function planEnvironment(given: {
  lookup: Lookups;
  variables: PlanEnvironment["variables"];
  redactor: Redactor;
  tape: TapeInUse | undefined;
  blockPrivateNetwork: boolean;
}): PlanEnvironment {
  const { lookup, variables, redactor, tape, blockPrivateNetwork } = given;
  return {
    variables,
    variable: (name) => lookup.variable(name),
    secret: (name) => {
      const found = lookup.secret(name);
      return tape === undefined ? found : tape.secretOf(name, found);
    },
    ...(tape === undefined ? {} : { tape: tape.tape, now: () => tape.startedAt }),
    conceal: (value) => redactor.add(value),
    redactor,
    userAgent: `sluice/${VERSION}`,
    budgets: createBudgets(),
    blockPrivateNetwork,
  };
}

/** Two resources in one table would replace each other's rows, and the state of one would not fit the other's. */
function sharedTables(resources: readonly Resource[], document: ConfigDocument): Problem[] {
  const owners = new Map<string, string>();
  return resources.flatMap(({ name, table, hints }) => {
    const place = tableName(table, namingOf(hints));
    const owner = owners.get(place.toLowerCase());
    if (owner === undefined) {
      owners.set(place.toLowerCase(), name);
      return [];
    }
    const message = `the resources "${owner}" and "${name}" would both fill the table "${place}"`;
    return [problemAt(document, [], message, "Give one of them another name or table_name.")];
  });
}

/** What the destination can't do is found before anything is asked for. */
function unsupported(
  destination: Destination | undefined,
  resources: readonly Resource[],
  document: ConfigDocument,
): Problem[] {
  return resources.flatMap(({ name, hints }) => {
    const missing = whatIsMissing(destination?.supports, hints);
    if (missing === undefined || destination === undefined) return [];
    const message = unsupportedMessage(destination.type, name, missing);
    return [{ ...problemAt(document, [], message, UNSUPPORTED_HINT), code: "config/unsupported" }];
  });
}

/** The schema file of a pipeline, beside its configuration. */
function openSchemaFile(
  name: string | undefined,
  config: string | undefined,
  cwd: string,
  mayBeMissing: boolean,
): SchemaFile | undefined {
  if (name === undefined) return undefined;
  const path = resolve(cwd, config === undefined ? "." : dirname(config), name);
  if (mayBeMissing && !existsSync(path)) return undefined;
  return readSchemaFile(path, shownFile(path, cwd));
}

/** The resource with the pipeline's naming, unless it has one of its own. */
function withNaming(resource: Resource, naming: NamingConvention | undefined): Resource {
  if (naming === undefined || resource.hints.naming !== undefined) return resource;
  return withHints(resource, { ...resource.hints, naming });
}

function redacted(error: SluiceError, redactor: Redactor): SluiceError {
  return new SluiceError(error.code, redactor.redact(error.message), {
    at: redactor.redactDeep(error.at),
    ...(error.hint === undefined ? {} : { hint: redactor.redact(error.hint) }),
    problems: redactor.redactDeep(error.problems),
  });
}

/** `call-analytics.yaml` → `call_analytics`; `sluice.config.ts` takes the folder's name. */
function nameOf(file: string | undefined): string {
  if (file === undefined) return "pipeline";
  const plain = basename(file).replace(/\.[^.]+$/, "");
  const name = plain === "sluice.config" ? basename(dirname(file)) : plain;
  const cleaned = name.replaceAll(/\W+/g, "_").replace(/^(?=\d)/, "_");
  return cleaned === "" || /^_+$/.test(cleaned) ? "pipeline" : cleaned.toLowerCase();
}
