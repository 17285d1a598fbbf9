import { documentRecords } from "../json/records.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Records } from "../model/source.js";

/** The records of a page as another thread gets them. */
export type CrossingRecords =
  | { readonly kind: "objects"; readonly values: readonly Json[] }
  | {
      readonly kind: "document";
      readonly bytes: Uint8Array;
      readonly tape: Uint32Array;
      readonly places: Uint32Array;
      readonly hasLongNumbers: boolean;
      readonly added?: JsonObject;
      /** A list of keys is sent once: what came since the last page, or with a new number all of it. */
      readonly keys: { readonly list: number; readonly more: readonly string[] };
    };

/** Records to be sent, with what is handed over instead of copied. */
export interface Sent {
  readonly records: CrossingRecords;
  readonly buffers: ArrayBuffer[];
}

/** Prepares the pages of one lane for another thread. */
export class RecordSender {
  #keys: readonly string[] | undefined;
  #list = 0;
  #told = 0;

  /** `isOwn`: nobody needs the page's document here any more, so that its memory may go. */
  send(records: Records, isOwn: boolean): Sent {
    if (records.kind === "objects") return { records, buffers: [] };
    const { document, places, added } = records;
    const { bytes, tape, keys, hasLongNumbers } = document;
    if (keys !== this.#keys) {
      this.#keys = keys;
      this.#list++;
      this.#told = 0;
    }
    const more = keys.slice(this.#told);
    this.#told = keys.length;
    // What is a part of larger memory is copied, or all of that would cross.
    const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    const buffers = isOwn || own !== bytes ? [own.buffer as ArrayBuffer] : [];
    if (isOwn) buffers.push(tape.buffer as ArrayBuffer);
    return {
      records: {
        kind: "document",
        bytes: own,
        tape,
        places: Uint32Array.from(places),
        hasLongNumbers,
        ...(added === undefined ? {} : { added }),
        keys: { list: this.#list, more },
      },
      buffers,
    };
  }
}

/** Makes records again of what one `RecordSender` sends. */
export class RecordReceiver {
  #list = 0;
  #keys: string[] = [];

  receive(records: CrossingRecords): Records {
    if (records.kind === "objects") return records;
    const { bytes, tape, places, hasLongNumbers, added, keys } = records;
    if (keys.list !== this.#list) {
      this.#list = keys.list;
      this.#keys = [];
    }
    this.#keys.push(...keys.more);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const document = { bytes, view, tape, keys: this.#keys, hasLongNumbers };
    return documentRecords(document, Array.from(places), added);
  }
}
