/**
 * Starts the items of a source ahead of its reader: in order, and at most `limit` that are started and not finished.
 * An item counts as finished when `finished` is called or the next one is asked for. What the source throws reaches the
 * reader after all items before it.
 *
 * @example
 * const ahead = new Ahead(urls, (url) => fetch(url), 5);
 * for (let item = await ahead.next(); item !== undefined; item = await ahead.next()) await item;
 */
export class Ahead<Item, Started> {
  readonly #source: AsyncIterator<Item, unknown>;
  readonly #start: (item: Item) => Started;
  readonly #limit: number;
  readonly #queue: Started[] = [];
  #current: Started | undefined;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};
  #change: Promise<void>;

  constructor(source: AsyncIterator<Item, unknown>, start: (item: Item) => Started, limit: number) {
    this.#source = source;
    this.#start = start;
    this.#limit = limit;
    this.#change = this.#nextChange();
    void this.#run();
  }

  /** The next item, when it is started; undefined after the last one. */
  async next(): Promise<Started | undefined> {
    this.finished();
    await this.hasMore();
    this.#current = this.#queue.shift();
    this.#changed();
    if (this.#current === undefined && this.#failure !== undefined) throw this.#failure.error;
    return this.#current;
  }

  /** Says that the item in hand needs nothing more. */
  finished(): void {
    this.#current = undefined;
    this.#changed();
  }

  /** Whether `next` will give another item, or throw. Resolves when that is known. */
  async hasMore(): Promise<boolean> {
    while (this.#queue.length === 0 && !this.#isOver) await this.#change;
    return this.#queue.length > 0 || this.#failure !== undefined;
  }

  /** Starts nothing more; gives the items that are started and not finished. */
  stop(): readonly Started[] {
    this.#isOver = true;
    this.#changed();
    return this.#current === undefined ? this.#queue : [this.#current, ...this.#queue];
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isOver) {
        if (this.#queue.length + (this.#current === undefined ? 0 : 1) >= this.#limit) {
          await this.#change;
          continue;
        }
        const step = await this.#source.next();
        if (step.done === true || this.#isOver) break;
        this.#queue.push(this.#start(step.value));
        this.#changed();
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#isOver = true;
    this.#changed();
  }

  #changed(): void {
    const wake = this.#wake;
    this.#change = this.#nextChange();
    wake();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
