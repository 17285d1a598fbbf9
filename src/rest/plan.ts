import type { HttpRequest } from "../http/message.js";
import type { ColumnHint, Resource, ResourceHints, SchemaContract } from "../model/source.js";
import { type ChildSpec, readChildren } from "./children.js";
import { planClient } from "./client.js";
import { type ExpandedResource, expandResource } from "./defaults.js";
import { type PlanContext, parallelizedOf, planEndpoint } from "./endpoint.js";
import type { PlanEnvironment } from "./environment.js";
import { type Finding, Findings } from "./finding.js";
import { fingerprintOf } from "./fingerprint.js";
import { planIncluded, withIncluded } from "./included.js";
import type { RestApiOptions } from "./options.js";
import { type Entry, linkParents, type Relative } from "./parents.js";
import type { WalkSpec } from "./walk.js";

/** A planned resource: what the pipeline reads, and what `check` shows of it. */
export interface PlannedResource {
  readonly resource: Resource;
  readonly selected: boolean;
  /** The first request, without credentials. */
  readonly request: HttpRequest;
}

/**
 * Turns a validated rest_api configuration into resources. Everything that can be wrong is found here, before the
 * first request; mistakes go to `findings`, and the resources are usable only if there are none.
 */
export function planRestApi(
  options: RestApiOptions,
  env: PlanEnvironment,
): { resources: PlannedResource[]; findings: readonly Finding[] } {
  const findings = new Findings();
  const client = planClient(options.client, env, findings);
  const context: PlanContext = { clientOptions: options.client, client, env, findings };
  const seen = new Set<string>();
  const entries = options.resources.map((entry, index): Entry => {
    const path = ["resources", index];
    const expanded = expandResource(entry, options.resource_defaults);
    if (seen.has(expanded.name)) {
      findings.add([...path, "name"], `the resource "${expanded.name}" is defined twice`, {
        hint: "Give each resource a name of its own.",
      });
    }
    seen.add(expanded.name);
    return { options: expanded, path };
  });
  const planned = new Map<string, PlannedEndpoint>();
  const relatives = linkParents(entries, findings);
  const readers = readersOf(relatives);
  for (const relative of relatives) {
    const parent = relative.parent === undefined ? undefined : planned.get(relative.parent);
    const { name } = relative.options;
    const resource = planResource(relative, parent, context, () => {
      const answers = planned.get(name)?.answers;
      const same = [...planned.values()].filter((other) => parent === undefined && other.answers === answers);
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

/** A planned resource as its children see it. */
interface PlannedEndpoint extends PlannedResource {
  /** Like `resource.read`, but a page's request leaves when the page is asked for. */
  readonly readOnDemand: Resource["read"];
  readonly answers: string;
}

function planResource(
  relative: Relative,
  parent: PlannedEndpoint | undefined,
  context: PlanContext,
  readers: () => number,
): PlannedEndpoint | undefined {
  const { options } = relative;
  const endpoint = planEndpoint(relative, context, readers);
  const included = planIncluded(options.include_from_parent ?? [], relative, context.findings);
  // The parent's own mistakes are told at the parent.
  if (endpoint === undefined || (relative.parent !== undefined && parent === undefined)) return undefined;

  const reader =
    (fixed: Partial<WalkSpec>): Resource["read"] =>
    (from, io) => {
      if (parent === undefined) return endpoint.read(fixed, from, io);
      const spec: ChildSpec = {
        resource: options.name,
        parent: parent.resource.name,
        readParent: parent.readOnDemand,
        request: endpoint.bind,
        included,
        parallelized: parallelizedOf(options.parallelized),
        readChild: ({ request, included, mayRunAhead }, from, io) =>
          withIncluded(endpoint.read({ request, mayRunAhead, ...fixed }, from, io), included),
      };
      return readChildren(spec, from, io);
    };
  const primaryKey = options.primary_key ?? [];
  const resource: Resource = {
    name: options.name,
    table: options.table_name ?? options.name,
    hints: hintsOf(options, typeof primaryKey === "string" ? [primaryKey] : primaryKey),
    fingerprint: fingerprintOf({
      ...endpoint.described,
      ...(parent === undefined
        ? {}
        : { parent: parent.resource.fingerprint, included: options.include_from_parent ?? [] }),
    }),
    read: reader({}),
  };
  const readOnDemand = reader({ mayRunAhead: never, conditional: false });
  return {
    resource,
    selected: options.selected ?? true,
    request: endpoint.request,
    readOnDemand,
    answers: endpoint.answers,
  };
}

const never = () => false;

function hintsOf(options: ExpandedResource, primaryKey: readonly string[]): ResourceHints {
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
    writeDisposition: options.write_disposition ?? "append",
    primaryKey,
    columns,
    ...(options.schema_contract == null ? {} : { contract: contractOf(options.schema_contract) }),
    ...(options.endpoint.allow_short === true ? { allowShort: true } : {}),
    ...(options.max_rejected == null ? {} : { maxRejected: options.max_rejected }),
    ...(typeof options.max_table_nesting === "number" ? { maxTableNesting: options.max_table_nesting } : {}),
  };
}

function contractOf(contract: NonNullable<ExpandedResource["schema_contract"]>): SchemaContract {
  if (typeof contract === "string") return { tables: contract, columns: contract, dataType: contract };
  const { tables = "evolve", columns = "evolve", data_type: dataType = "evolve" } = contract;
  return { tables, columns, dataType };
}
