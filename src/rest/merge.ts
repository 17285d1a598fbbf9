import type { MergeRules, WriteDisposition } from "../model/source.js";
import type { ExpandedResource } from "./defaults.js";
import type { Finding, Findings } from "./finding.js";

type Written = Pick<ExpandedResource, "write_disposition">;

/** The write disposition, written as text or as an object; default append. */
export function dispositionOf({ write_disposition: written = "append" }: Written): WriteDisposition {
  return typeof written === "string" ? written : written.disposition;
}

/**
 * What merge goes by beside the primary key (`merge_key`, `strategy`, `dedup_sort`, `hard_delete` as in dlt);
 * undefined where nothing of it is asked for. Combinations that can't be go to `findings`.
 */
export function planMerge(
  options: ExpandedResource,
  path: Finding["path"],
  findings: Findings,
): MergeRules | undefined {
  const written = options.write_disposition;
  const {
    strategy,
    delete_missing: deleteMissing,
    boundary_timestamp: begins,
  } = typeof written === "object" ? written : {};
  const disposition = dispositionOf(options);
  const mergeKey = listed(options.merge_key);
  const hints = Object.entries(options.columns);
  const sorted = hints.flatMap(([column, { dedup_sort: order }]) =>
    order == null ? [] : [{ column, order }],
  );
  const [sort] = sorted;
  const deleting = hints.filter(([, hint]) => hint.hard_delete === true);
  const rules: MergeRules = {
    ...(strategy === undefined ? {} : { strategy }),
    ...(mergeKey.length === 0 ? {} : { mergeKey }),
    ...(sort === undefined ? {} : { dedupSort: sort }),
    ...(deleting[0] === undefined ? {} : { hardDelete: deleting[0][0] }),
    ...(deleteMissing == null ? {} : { deleteMissing }),
    ...(begins == null ? {} : { boundary: Date.parse(begins) }),
  };
  const at = [...path, "write_disposition"];
  const wrong = (message: string, hint: string) => findings.add(at, message, { hint });
  if (disposition !== "merge") {
    // Keys and hints of columns stay without effect, as in dlt: resource_defaults may hold them for others.
    if (strategy !== undefined || deleteMissing != null)
      wrong(`strategy and delete_missing are for merge, not for ${disposition}`, "Set disposition: merge.");
    return undefined;
  }
  const hasPrimaryKey = listed(options.primary_key).length > 0;
  const needing = [
    ...(strategy === "upsert" || strategy === "insert-only" ? [`strategy ${strategy}`] : []),
    ...(sorted.length > 0 ? ["dedup_sort"] : []),
    ...(deleteMissing == null ? [] : ["delete_missing"]),
    ...(deleting.length > 0 && mergeKey.length === 0 ? ["hard_delete"] : []),
  ];
  if (!hasPrimaryKey && needing.length > 0)
    wrong(`${needing.join(", ")} can't do without a primary_key`, "Set primary_key.");
  if (mergeKey.length > 0 && (strategy === "upsert" || strategy === "insert-only"))
    wrong(
      `strategy ${strategy} goes by primary_key alone`,
      "Remove merge_key, or set strategy: delete-insert.",
    );
  for (const key of listed(options.primary_key)) refuseUntypedNullKey(key, options, path, findings);
  if (sorted.length > 1) wrong("only one column can have dedup_sort", "Keep one of them.");
  if (deleting.length > 1) wrong("only one column can have hard_delete", "Keep one of them.");
  if (deleteMissing != null) refuseParts(options, strategy, wrong);
  if (begins != null && strategy !== "scd2")
    wrong("boundary_timestamp is for strategy scd2", "Remove it, or set strategy: scd2.");
  if (strategy === "scd2") refuseUnversioned(options, mergeKey.length > 0, wrong);
  return Object.keys(rules).length === 0 ? undefined : rules;
}

/** As long as it only ever is null it would have no column, and merge no key to go by. */
function refuseUntypedNullKey(
  key: string,
  { columns }: ExpandedResource,
  path: Finding["path"],
  findings: Findings,
): void {
  const hint = columns[key];
  if (hint?.nullable !== true || hint.data_type !== undefined) return;
  findings.add([...path, "columns", key], "a part of the primary key that may be null needs a data_type", {
    hint: "Set its data_type, or remove nullable: records with null in it are then set aside.",
  });
}

type Wrong = (message: string, hint: string) => void;

/** What can't be together with versions of rows. */
function refuseUnversioned(
  { endpoint, write_disposition: written }: ExpandedResource,
  hasMergeKey: boolean,
  wrong: Wrong,
): void {
  if (typeof written === "object" && written.delete_missing != null)
    wrong(
      "scd2 ends rows that a complete walk does not bring, without delete_missing",
      "Remove delete_missing. With a merge_key such rows stay.",
    );
  if (endpoint.conditional === true && !hasMergeKey)
    wrong(
      "with scd2, an unchanged answer (304) would end all rows",
      "Remove conditional, or set a merge_key.",
    );
}

/** delete_missing takes what a walk does not bring for gone: walks that bring a part on purpose would empty the table. */
function refuseParts({ endpoint }: ExpandedResource, strategy: MergeRules["strategy"], wrong: Wrong): void {
  if (strategy === "insert-only")
    wrong("insert-only never removes rows", "Remove delete_missing, or the strategy.");
  if (endpoint.incremental != null)
    wrong(
      "an incremental walk brings only what is new, so delete_missing would delete the rest",
      "Remove one of the two.",
    );
  if (endpoint.conditional === true)
    wrong("with delete_missing, an unchanged answer (304) would empty the table", "Remove one of the two.");
}

function listed(keys: ExpandedResource["primary_key"]): readonly string[] {
  if (keys == null) return [];
  return typeof keys === "string" ? [keys] : keys;
}
