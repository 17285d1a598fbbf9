import { IN_VALUES, type JsonPath, type Steps } from "../expression/path.js";
import { OBJECT } from "../json/document.js";
import { recordAt } from "../json/records.js";
import { itemOf, memberOf, valueAt } from "../json/values.js";
import type { Json } from "../model/json.js";
import type { DocumentRecords, Records } from "../model/source.js";

/** The records of a page, for whoever looks at a few fields of each: of those in a document the others stay bytes. */
export interface RecordFields {
  readonly count: number;
  /** As `JsonPath.find` on the record with this index. */
  readonly find: (index: number, path: JsonPath) => readonly Json[];
  /** As `JsonPath.first` on it. */
  readonly first: (index: number, path: JsonPath) => Json | undefined;
  /** All of it. */
  readonly whole: (index: number) => Json;
}

export function fieldsOf(records: Records): RecordFields {
  if (records.kind === "document") return fieldsInDocument(records);
  const { values } = records;
  return {
    count: values.length,
    find: (index, path) => path.find(values[index]!),
    first: (index, path) => path.first(values[index]!),
    whole: (index) => values[index]!,
  };
}

/** A place in the document, or a value that was added. */
type Node = number | { readonly value: Json };

function fieldsInDocument(records: DocumentRecords): RecordFields {
  const { document, places, added } = records;
  const whole = (index: number) => recordAt(records, index) as Json;
  let root: Node = 0;
  const steps: Steps<Node> = {
    member: (node, key) => {
      if (typeof node !== "number") return asNode(IN_VALUES.member(node.value, key));
      if (added !== undefined && node === root && Object.hasOwn(added, key)) return asNode(added[key]);
      return memberOf(document, node, key);
    },
    item: (node, index) =>
      typeof node === "number" ? itemOf(document, node, index) : asNode(IN_VALUES.item(node.value, index)),
  };
  const first = (index: number, path: JsonPath): Json | undefined => {
    if (path.firstIn === undefined) return path.first(whole(index));
    const place = places[index]!;
    root = added === undefined || document.tape[place] === OBJECT ? place : { value: whole(index) };
    const node = path.firstIn(root, steps);
    return typeof node === "number" ? valueAt(document, node) : node?.value;
  };
  return {
    count: places.length,
    first,
    find: (index, path) => {
      if (path.firstIn === undefined) return path.find(whole(index));
      const value = first(index, path);
      return value === undefined ? [] : [value];
    },
    whole,
  };
}

function asNode(value: Json | undefined): Node | undefined {
  return value === undefined ? undefined : { value };
}
