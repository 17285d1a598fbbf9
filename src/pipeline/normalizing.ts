import type { Batch } from "../model/batch.js";
import { discard } from "../model/discard.js";
import type { JsonDocument } from "../model/document.js";
import { SluiceError } from "../model/error.js";
import type { Page, Resource } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import { fullBatches } from "../normalize/full.js";
import type { NormalizerOptions } from "../normalize/load.js";
import { createNormalizer, type Normalizer } from "../normalize/normalizer.js";
import {
  hasNormalizerThreads,
  type Normalized,
  type NormalizerThread,
  startNormalizerThread,
  type ThreadNormalizer,
} from "../normalize/thread.js";
import { addPage } from "../normalize/validate.js";

/** Bytes of documents after which a thread of its own pays: it takes as long to start as reading some of them. */
const THREAD_AFTER_BYTES = 4 * 1024 * 1024;
/** Bytes of pages that may wait for the thread before the lane does. */
const WAITING_BYTES = 4 * 1024 * 1024;

/** What came of the pages of one package; `rows` are those since the lane began. Its batches are written by then. */
type Settled = Omit<Normalized, "batches">;

/** A package that some normalizer has begun and another one goes on with. */
type Begun = Pick<Settled, "rows" | "rejects" | "discarded" | "collisions">;
const NOTHING: Begun = { rows: 0, rejects: [], discarded: 0, collisions: [] };

/** What a lane has for its normalizer. */
export interface Surroundings {
  readonly schema: Resource["schema"];
  /** Threads that lanes may share; with none it stays in its own. */
  readonly threads: number;
  write(this: void, batch: Batch): Promise<void>;
}

/**
 * Makes batches of a lane's pages and gives them to `write`, in order. It begins in this thread. When much has come in
 * documents it goes on in another one, and then works behind: what goes wrong with a page is thrown by a later `add`, or
 * by `settle`, which waits for all of them.
 */
export class Normalizing {
  /** The tables before the first page. */
  readonly tablesBefore: readonly TableSchema[];
  /** Bytes that are in no batch yet, estimated. */
  bufferedBytes = 0;
  readonly #options: NormalizerOptions;
  readonly #schema: Resource["schema"];
  readonly #threads: number;
  readonly #write: (batch: Batch) => Promise<void>;
  #here: Normalizer;
  #thread: NormalizerThread | undefined;
  #isThreadReady = false;
  #there: ThreadNormalizer | undefined;
  #hasCollisions = false;
  #begun = NOTHING;
  #documentBytes = 0;
  /** Pages that are on their way through the thread, oldest first. */
  readonly #underWay: Promise<void>[] = [];
  #waitingBytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: NormalizerOptions, { schema, threads, write }: Surroundings) {
    this.#options = options;
    this.#schema = schema;
    this.#threads = hasNormalizerThreads() ? threads : 0;
    this.#write = write;
    this.#here = createNormalizer(options);
    this.tablesBefore = this.#here.tables();
  }

  /** Takes in a page, and waits where too much is on its way. */
  async add(page: Page): Promise<void> {
    this.#refuseAfterFailure();
    if (this.#there === undefined) await this.#addHere(page);
    else await this.#addThere(this.#there, page);
  }

  /** Writes what is buffered, and gives all that `add` was given since the last call. */
  async settle(): Promise<Settled> {
    this.#refuseAfterFailure();
    const { rows: rowsBefore, ...before } = this.#begun;
    const settled = await (this.#there === undefined ? this.#settleHere() : this.#settleThere(this.#there));
    this.#begun = { ...NOTHING, rows: rowsBefore };
    return {
      rows: rowsBefore + settled.rows,
      tables: settled.tables,
      idsAfter: settled.idsAfter,
      rejects: [...before.rejects, ...settled.rejects],
      discarded: before.discarded + settled.discarded,
      collisions: [...before.collisions, ...settled.collisions],
    };
  }

  /** Ends it: nothing is written any more when this has resolved. */
  async release(): Promise<void> {
    this.#failure ??= { error: new SluiceError("internal/bug", "a page came after its lane had ended") };
    await this.#underWay.at(-1);
    this.#thread?.release();
  }

  async #addHere(page: Page): Promise<void> {
    await addPage(this.#here, page.records, this.#schema);
    await this.#writeAll(fullBatches(this.#here));
    this.bufferedBytes = this.#here.bufferedBytes;
    // As it would be gone if the other thread had taken it.
    if (page.isOwn === true && page.records.kind === "document") discardDocument(page.records.document);
    if (this.#isThreadReady && !this.#hasCollisions) await this.#moveOn();
    else if (page.records.kind === "document") this.#startThread(page.bytes);
  }

  /** Starts a thread when enough has come; pages are taken here until it runs. */
  #startThread(bytes: number): void {
    this.#documentBytes += bytes;
    if (this.#documentBytes < THREAD_AFTER_BYTES || this.#thread !== undefined) return;
    if (this.#schema !== undefined || this.#threads === 0) return;
    this.#thread = startNormalizerThread(this.#threads);
    void this.#await(this.#thread);
  }

  async #await({ ready }: NormalizerThread): Promise<void> {
    try {
      await ready;
      this.#isThreadReady = true;
    } catch {
      // Then it stays as it is.
    }
  }

  /** Goes on in the thread from the next page on, as the next run would after a commit: with the tables as they are now. */
  async #moveOn(): Promise<void> {
    const { rows, rejects, discarded, collisions, tables, idsAfter } = await this.#settleHere();
    this.#begun = { rows: 0, rejects, discarded, collisions };
    // Whose a column is that two keys have asked for, only this normalizer knows.
    if (this.#hasCollisions) return;
    this.#begun = { ...this.#begun, rows };
    const before = new Set(this.#options.known.map(({ name }) => name));
    const begun = tables.map(({ name }) => name).filter((name) => !before.has(name));
    this.#there = await this.#thread?.open({ ...this.#options, known: tables, begun, now: idsAfter });
  }

  async #settleHere(): Promise<Settled> {
    await this.#writeAll(this.#here.take());
    this.bufferedBytes = 0;
    const { rows, idsAfter } = this.#here;
    const collisions = this.#here.takeCollisions();
    this.#hasCollisions ||= collisions.length > 0;
    return { rows, tables: this.#here.tables(), idsAfter, collisions, ...this.#here.takeRejects() };
  }

  async #addThere(there: ThreadNormalizer, page: Page): Promise<void> {
    this.#waitingBytes += page.bytes;
    const taken = there.add(page.records, page.isOwn === true);
    const before = this.#underWay.at(-1);
    this.#underWay.push(this.#follow(taken, before, page.bytes));
    while (this.#waitingBytes > WAITING_BYTES && this.#failure === undefined) await this.#underWay[0];
    this.#refuseAfterFailure();
  }

  /** Never rejects: what went wrong is kept for the next call. */
  async #follow(
    taken: ReturnType<ThreadNormalizer["add"]>,
    before: Promise<void> | undefined,
    bytes: number,
  ): Promise<void> {
    try {
      const { batches, bufferedBytes } = await taken;
      await before;
      this.bufferedBytes = bufferedBytes;
      if (this.#failure === undefined) await this.#writeAll(batches);
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#waitingBytes -= bytes;
    void this.#underWay.shift();
  }

  async #settleThere(there: ThreadNormalizer): Promise<Settled> {
    const { batches, ...settled } = await there.settle();
    await this.#underWay.at(-1);
    this.#refuseAfterFailure();
    await this.#writeAll(batches);
    this.bufferedBytes = 0;
    return settled;
  }

  async #writeAll(batches: readonly Batch[]): Promise<void> {
    for (const batch of batches) await this.#write(batch);
  }

  #refuseAfterFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

function discardDocument({ bytes, tape }: JsonDocument): void {
  // What is a part of larger memory is not its own.
  const own = [bytes, tape].filter((view) => view.byteLength === view.buffer.byteLength);
  discard(own.map(({ buffer }) => buffer as ArrayBuffer));
}
