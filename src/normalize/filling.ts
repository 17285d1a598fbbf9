/** When the program is used. */
export interface Filling {
  /** Records of documents before it pays: it has to be compiled and told what is known. Default 1000. */
  readonly after: number;
  /** Records that are added one by one after two that surprised with fewer than 16 between them. Default 64. */
  readonly rest: number;
  /** Records that are filled in at once, at most. Default 256. */
  readonly records: number;
}

/** What is usual. */
export const FILLING: Filling = { after: 1000, rest: 64, records: 256 };
