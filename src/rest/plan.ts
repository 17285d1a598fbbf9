import type { HttpRequest } from "../http/message.js";
import type {
  ColumnHint,
  Io,
  MergeRules,
  Page,
  Resource,
  ResourceHints,
  SchemaContract,
} from "../model/source.js";
import { withSchema } from "../schema/standard.js";
import { planClient } from "./client.js";
import { type ExpandedResource, expandResource } from "./defaults.js";
import { type Endpoint, type PlanContext, planEndpoint } from "./endpoint.js";
import type { PlanEnvironment } from "./environment.js";
import { type Finding, Findings } from "./finding.js";
import { fingerprintOf } from "./fingerprint.js";
import { planIncluded, withIncluded } from "./included.js";
import { between } from "./incremental/bound.js";
import type { Incremental } from "./incremental/incremental.js";
import { storingLimits } from "./limits.js";
import { dispositionOf, planMerge } from "./merge.js";
import type { RestApiOptions } from "./options.js";
import { type Entry, linkParents, type Relative } from "./parents.js";
import { type Family, type ReadChild, readAlone, readOfParents } from "./reader.js";
import { planRecords, readAll } from "./ready.js";
import { planSteps } from "./steps.js";
import type { WalkSpec } from "./walk.js";

/** A planned resource: what the pipeline reads, and what `check` shows of it. */
export interface PlannedResource {
  readonly resource: Resource;
  readonly selected: boolean;
  /** The first request, without credentials. Absent for ready-made records, like `first` and `paginator`. */
  readonly request?: HttpRequest;
  /** The same as its paginator begins with it. */
  readonly first?: HttpRequest;
  /** The resource whose records its requests are made from. */
  readonly parent?: string;
  /** The paginator's type and who says that it is this one. */
  readonly paginator?: string;
  /** Incremental loading, where the resource has it. */
  readonly incremental?: Incremental;
  /** The same resource, read between two values: for a backfill. Throws config/usage for values that can't be. */
  readonly between?: (from: string, to: string) => Resource;
}

/**
 * Turns a validated rest_api configuration into resources. Everything that can be wrong is found here, before the
 * first request; mistakes go to `findings`, and the resources are usable only if there are none.
 *
 * @param ready resources of other sources of the pipeline, which can be parents of these.
 */
export function planRestApi(
  options: RestApiOptions,
  env: PlanEnvironment,
  ready: readonly Resource[] = [],
): { resources: PlannedResource[]; findings: readonly Finding[] } {
  const findings = new Findings();
  const client = planClient(options.client, env, findings);
  const context: PlanContext = { clientOptions: options.client, client, env, findings };
  const seen = new Set<string>();
  const merges = new Map<string, MergeRules>();
  const entries = options.resources.map((entry, index): Entry => {
    const path = ["resources", index];
    const expanded = expandResource(entry, options.resource_defaults);
    if (seen.has(expanded.name)) {
      findings.add([...path, "name"], `the resource "${expanded.name}" is defined twice`, {
        hint: "Give each resource a name of its own.",
      });
    }
    seen.add(expanded.name);
    if (expanded.records != null && typeof entry !== "string" && entry.endpoint != null) {
      findings.add([...path, "endpoint"], "records and endpoint can't stand side by side", {
        hint: "Ready-made records are not requested; keep one of the two.",
      });
    }
    const rules = planMerge(expanded, path, findings);
    if (rules !== undefined) merges.set(expanded.name, rules);
    return { options: { ...expanded, write_disposition: dispositionOf(expanded) }, path };
  });
  const planned = new Map<string, PlannedEndpoint>();
  const others = new Map(ready.map((resource) => [resource.name, resource]));
  const relatives = linkParents(entries, [...others.keys()], findings);
  const readers = readersOf(relatives);
  for (const relative of relatives) {
    const parent = parentOf(relative, planned, others);
    const { name } = relative.options;
    const resource = planResource(relative, parent, context, merges.get(name), () => {
      const answers = planned.get(name)?.answers;
      const same = [...planned.values()].filter(
        (other) => parent === undefined && answers !== undefined && other.answers === answers,
      );
      const names = same.length === 0 ? [name] : same.map((other) => other.resource.name);
      return names.reduce((sum, other) => sum + (readers.get(other) ?? 0), 0);
    });
    if (resource !== undefined) planned.set(resource.resource.name, resource);
  }
  const resources = entries.flatMap(({ options }) => planned.get(options.name) ?? []);
  return { resources, findings: findings.all };
}

/** How many walks of a run read each resource: its own, and those of all that are below it. Parents come first. */
function readersOf(relatives: readonly Relative[]): ReadonlyMap<string, number> {
  const readers = new Map<string, number>();
  for (const { options, parent } of relatives.toReversed()) {
    const own = (readers.get(options.name) ?? 0) + (options.selected === false ? 0 : 1);
    readers.set(options.name, own);
    if (parent !== undefined) readers.set(parent, (readers.get(parent) ?? 0) + own);
  }
  return readers;
}

/** What a child needs of its parent. */
interface Parent {
  readonly resource: Resource;
  /** Like `resource.read`, but a page's request leaves when the page is asked for. */
  readonly readOnDemand: Resource["read"];
  /** Resources with the same text here get the same answer to their first request. */
  readonly answers?: string;
}
type PlannedEndpoint = PlannedResource & Parent;

function parentOf(
  { parent }: Relative,
  planned: ReadonlyMap<string, Parent>,
  others: ReadonlyMap<string, Resource>,
): Parent | undefined {
  if (parent === undefined) return undefined;
  const other = others.get(parent);
  return planned.get(parent) ?? (other && { resource: other, readOnDemand: readAll(other) });
}

type EndpointOrRecords = Partial<Endpoint> & Pick<Endpoint, "read" | "described">;

type Pages = ReturnType<Endpoint["read"]>;

async function* generated(pages: AsyncIterable<Page>): Pages {
  yield* pages;
}

function isEndpoint(source: EndpointOrRecords): source is Endpoint {
  return source.bind !== undefined;
}

function planResource(
  relative: Relative,
  parent: Parent | undefined,
  context: PlanContext,
  merge: MergeRules | undefined,
  readers: () => number,
): PlannedEndpoint | undefined {
  const { options } = relative;
  const endpoint: EndpointOrRecords | undefined =
    options.records == null
      ? planEndpoint(relative, context, readers)
      : planRecords(options.records, context.env, [...relative.path, "records"], context.findings);
  const included = planIncluded(options.include_from_parent ?? [], relative, context.findings);
  const steps = options.processing_steps ?? [];
  const stepsPath = [...relative.path, "processing_steps"];
  const process = planSteps(steps, options.name, stepsPath, context.env, context.findings);
  const processed = (pages: Pages, io: Io): Pages =>
    steps.length === 0 ? pages : generated(process(pages, io));
  // The parent's own mistakes are told at the parent.
  if (endpoint === undefined || (relative.parent !== undefined && parent === undefined)) return undefined;

  const asValues = steps.length > 0 || options.schema !== undefined || isWildCursor(endpoint) ? VALUES : {};
  const reader =
    (fixed: Partial<WalkSpec>, range?: Incremental): Resource["read"] =>
    (from, io) => {
      if (!isEndpoint(endpoint)) return process(endpoint.read(fixed, from, io), io);
      const ranged = range === undefined ? endpoint : { ...endpoint, incremental: range };
      if (parent === undefined) {
        return readAlone(
          options.name,
          ranged,
          (walk, from) => processed(endpoint.read({ ...walk, ...fixed, ...asValues }, from, io), io),
          from,
          io,
        );
      }
      const readChild: ReadChild = ({ included, ...walk }, from, io) =>
        processed(withIncluded(endpoint.read({ ...walk, ...fixed, ...asValues }, from, io), included), io);
      const readParent: Family["readParent"] = (at, io) => endpoint.ofParent(parent.readOnDemand(at, io), io);
      const family = { parent: parent.resource.name, readParent, included, readChild };
      return readOfParents(options.name, ranged, family, from, io);
    };
  const primaryKey = options.primary_key ?? [];
  const resource: Resource = {
    name: options.name,
    table: options.table_name ?? options.name,
    hints: withSchema(
      hintsOf(options, typeof primaryKey === "string" ? [primaryKey] : primaryKey, merge),
      options.schema,
    ),
    ...(options.schema === undefined ? {} : { schema: options.schema }),
    fingerprint: fingerprintOf({
      ...endpoint.described,
      ...(parent === undefined
        ? {}
        : { parent: parent.resource.fingerprint, included: options.include_from_parent ?? [] }),
      ...(steps.length === 0 ? {} : { steps }),
    }),
    read: storingLimits(reader({}), options.name, context.client.budgets),
  };
  const readOnDemand = reader({ mayRunAhead: never, conditional: false, ...VALUES });
  const { answers, first, incremental, paginator, request } = endpoint;
  return {
    resource,
    selected: options.selected ?? true,
    ...(request === undefined ? {} : { request }),
    ...(first === undefined ? {} : { first }),
    ...(parent === undefined ? {} : { parent: parent.resource.name }),
    ...(paginator === undefined ? {} : { paginator }),
    ...(incremental === undefined
      ? {}
      : {
          incremental,
          between: (from, to) => ({
            ...resource,
            fingerprint: fingerprintOf({ of: resource.fingerprint, from, to }),
            read: storingLimits(
              reader({}, between(incremental, from, to)),
              options.name,
              context.client.budgets,
            ),
          }),
        }),
    readOnDemand,
    ...(answers === undefined ? {} : { answers }),
  };
}

/** A cursor path that is JSONPath is followed in values alone. */
function isWildCursor({ incremental }: EndpointOrRecords): boolean {
  return incremental !== undefined && incremental.path.firstIn === undefined;
}

const never = () => false;

/** For walks whose records become values anyway. */
const VALUES: Partial<WalkSpec> = { readDocument: undefined };

function hintsOf(
  options: ExpandedResource,
  primaryKey: readonly string[],
  merge: MergeRules | undefined,
): ResourceHints {
  const columns = Object.entries(options.columns).map(
    ([name, hint]): ColumnHint => ({
      name,
      ...(hint.data_type === undefined ? {} : { dataType: hint.data_type }),
      ...(hint.nullable === undefined ? {} : { nullable: hint.nullable }),
      ...(hint.precision === undefined ? {} : { precision: hint.precision }),
      ...(hint.scale === undefined ? {} : { scale: hint.scale }),
    }),
  );
  return {
    writeDisposition: dispositionOf(options),
    ...(merge === undefined ? {} : { merge }),
    primaryKey,
    columns,
    ...(options.schema_contract == null ? {} : { contract: contractOf(options.schema_contract) }),
    ...(options.type_conflict == null ? {} : { typeConflict: options.type_conflict }),
    ...(options.endpoint.allow_short === true ? { allowShort: true } : {}),
    ...(options.max_rejected == null ? {} : { maxRejected: options.max_rejected }),
    ...(options.naming == null ? {} : { naming: options.naming }),
    ...(typeof options.max_table_nesting === "number" ? { maxTableNesting: options.max_table_nesting } : {}),
  };
}

function contractOf(contract: NonNullable<ExpandedResource["schema_contract"]>): SchemaContract {
  if (typeof contract === "string") return { tables: contract, columns: contract, dataType: contract };
  const { tables = "evolve", columns = "evolve", data_type: dataType = "evolve" } = contract;
  return { tables, columns, dataType };
}
