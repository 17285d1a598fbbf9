import { writeUnescaped } from "../json/escapes.js";
import type { JsonDocument } from "../model/document.js";
import type { DocumentRecords } from "../model/source.js";
import { WASM_PAGE_BYTES, type WasmConstant, type WasmMemory, wasmInstance } from "../wasm/instance.js";
import { addDocumentRecord } from "./document.js";
import { type FillPlan, fillPlan, type PlannedTable } from "./fill-plan.js";
import { FILLING, type Filling } from "./filling.js";
import type { Load } from "./load.js";

const SHORT_RUN = 16;
/** A document beyond this is added one by one, or the memory would stay as large. */
const LARGEST = 16 * 1024 * 1024;
/** Zeros behind a document, and what may be written beyond the end of text. */
const PADDING = 32;
const ALIGNMENT = 16;

/** What `wasm/fill-columns.ts` exports. */
interface FillerExports {
  readonly memory: WasmMemory;
  readonly FIELD_BYTES: WasmConstant;
  readonly COLUMN_BYTES: WasmConstant;
  readonly TABLE_BYTES: WasmConstant;
  usePlan(
    tables: number,
    count: number,
    fields: number,
    keys: number,
    required: number,
    requiredCount: number,
    begun: number,
    rows: number,
  ): void;
  useDocument(body: number, tape: number): void;
  fill(from: number, to: number): number;
  rowsBegun(): number;
  clear(): void;
  packValidity(column: number, rows: number, shift: number, out: number): number;
  copyText(column: number, rows: number, ends: number, out: number): number;
}

/** Where things are while one document is added. */
interface Loaded {
  readonly plan: FillPlan;
  readonly places: number;
  readonly text: number;
}

/**
 * Adds documents to a load. Records go into the columns by a program in WebAssembly as long as they are as those before
 * them; one that is not goes through `addDocumentRecord`, after which more is known. The tables are the same either way,
 * and so are the rows' ids.
 */
export class Filler {
  readonly #load: Load;
  readonly #filling: Filling;
  #exports: FillerExports | undefined;
  #plan: FillPlan | undefined;
  /** The document that is held. */
  #bytes: Uint8Array = new Uint8Array(0);
  /** The program's memory. */
  #heap = new Uint8Array(0);
  /** Records added before the program was used; those filled in since one has surprised; those that go one by one. */
  #seen = 0;
  #run = 0;
  #slow = 0;

  constructor(load: Load, filling: Partial<Filling> = {}) {
    this.#load = load;
    this.#filling = { ...FILLING, ...filling };
  }

  /** Gives how many records were not set aside. */
  add(records: DocumentRecords): number {
    const { document, places, added } = records;
    const isFilled = this.#fills(records);
    let loaded: Loaded | undefined;
    let rows = 0;
    let at = 0;
    while (at < places.length) {
      if (isFilled && this.#slow === 0) {
        loaded ??= this.#hold(document, places);
        const filled = this.#fill(loaded, at, places.length);
        rows += filled;
        at += filled;
        this.#run += filled;
        // Either there was no more room, or the next record surprises.
        if (filled > 0) continue;
        if (this.#run < SHORT_RUN) this.#slow = this.#filling.rest;
        this.#run = 0;
      } else if (this.#slow > 0) this.#slow--;
      if (addDocumentRecord(this.#load, document, places[at]!, added)) rows++;
      at++;
      this.#plan = undefined;
      loaded = undefined;
    }
    return rows;
  }

  /** To be called when records were added in another way. */
  forget(): void {
    this.#plan = undefined;
  }

  #fills({ document, places, added }: DocumentRecords): boolean {
    if (this.#seen < this.#filling.after) {
      this.#seen += places.length;
      return false;
    }
    const { isRefused, stamps } = this.#load;
    return added === undefined && !isRefused && stamps === undefined && document.bytes.length <= LARGEST;
  }

  /** Puts a document, and the plan if there is a new one, into the program's memory. */
  #hold({ bytes, tape, keys }: JsonDocument, places: readonly number[]): Loaded {
    const exports = (this.#exports ??= this.#start());
    const isNew = this.#plan?.keys !== keys;
    const plan = isNew
      ? (this.#plan = fillPlan(this.#load, keys, sizesOf(exports), this.#filling.records))
      : this.#plan!;
    const body = plan.end;
    const tapeAt = aligned(body + bytes.length + PADDING);
    const placesAt = tapeAt + tape.byteLength;
    const text = aligned(placesAt + 4 * places.length);
    this.#require(exports.memory, text + bytes.length + PADDING);
    if (isNew) {
      plan.write(exports.memory.buffer);
      const { tables, tablesAt, fieldsAt, requiredAt, requiredCount, begunAt, rows } = plan;
      exports.usePlan(
        tablesAt,
        tables.length,
        fieldsAt,
        keys.length,
        requiredAt,
        requiredCount,
        begunAt,
        rows,
      );
    }
    this.#bytes = bytes;
    this.#heap.set(bytes, body);
    this.#heap.fill(0, body + bytes.length, body + bytes.length + PADDING);
    new Uint32Array(this.#heap.buffer, tapeAt, tape.length).set(tape);
    new Uint32Array(this.#heap.buffer, placesAt, places.length).set(places);
    exports.useDocument(body, tapeAt);
    return { plan, places: placesAt, text };
  }

  /** Fills in the records from `from` on; how many it were. */
  #fill({ plan, places, text }: Loaded, from: number, to: number): number {
    const exports = this.#exports!;
    const filled = (exports.fill(places + 4 * from, places + 4 * to) - places) / 4 - from;
    if (filled > 0) {
      const firstRows = plan.tables.map(({ builder }) => builder.rows);
      this.#addRows(plan, firstRows, exports.rowsBegun());
      plan.tables.forEach((table, number) => this.#append(exports, plan, table, firstRows[number]!, text));
    }
    exports.clear();
    return filled;
  }

  /** The rows in the order in which they were begun, so that their ids are the same. */
  #addRows({ tables, begunAt }: FillPlan, firstRows: readonly number[], count: number): void {
    const { ids, root } = this.#load;
    const begun = this.#words(begunAt, count);
    const parents = tables.map((table) => this.#words(table.parents, count));
    const indexes = tables.map((table) => this.#words(table.indexes, count));
    let rootRow = 0;
    for (const number of begun) {
      const { builder, parent } = tables[number]!;
      if (number === 0) {
        rootRow = builder.addRow(ids);
        continue;
      }
      const row = builder.rows - firstRows[number]!;
      const parentRow = firstRows[parent]! + parents[number]![row]!;
      builder.addChildRow(ids, parentRow, root, rootRow, indexes[number]![row]!);
    }
  }

  /** Appends the cells of the rows that a table has from `first` on. */
  #append(
    exports: FillerExports,
    { bitsAt, endsAt }: FillPlan,
    { builder: { rows: until }, columns }: PlannedTable,
    first: number,
    text: number,
  ): void {
    const rows = until - first;
    if (rows === 0) return;
    const shift = first & 7;
    const bits = this.#heap.subarray(bitsAt, bitsAt + ((shift + rows + 7) >> 3));
    for (const { builder, address, cells } of columns) {
      const count = exports.packValidity(address, rows, shift, bitsAt);
      if (count === 0) continue;
      const { width } = builder;
      if (width > 0) {
        builder.setCells(first, rows, count, bits, this.#heap.subarray(cells, cells + rows * width));
      } else {
        const size = exports.copyText(address, rows, endsAt, text);
        builder.setTexts(
          first,
          count,
          bits,
          this.#heap.subarray(text, text + size),
          this.#words(endsAt, rows),
        );
      }
    }
  }

  #words(address: number, count: number): Uint32Array {
    return new Uint32Array(this.#heap.buffer, address, count);
  }

  #require(memory: WasmMemory, bytes: number): void {
    const missing = bytes - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / WASM_PAGE_BYTES));
    if (this.#heap.buffer !== memory.buffer) this.#heap = new Uint8Array(memory.buffer);
  }

  #start(): FillerExports {
    return wasmInstance("fill-columns", {
      parse: (from, to) => Number(String.fromCharCode(...this.#bytes.subarray(from, to))),
      unescape: (from, to, out) => writeUnescaped(this.#bytes, from, to, this.#heap, out),
    }) as FillerExports;
  }
}

function sizesOf({ FIELD_BYTES, COLUMN_BYTES, TABLE_BYTES }: FillerExports) {
  return {
    FIELD_BYTES: FIELD_BYTES.value,
    COLUMN_BYTES: COLUMN_BYTES.value,
    TABLE_BYTES: TABLE_BYTES.value,
  };
}

function aligned(address: number): number {
  return (address + ALIGNMENT - 1) & -ALIGNMENT;
}
