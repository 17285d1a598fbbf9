import type { Completeness } from "./source.js";

/** How one page came about, for people: what was asked, what was answered, where the records are, and what follows. */
export interface PageTrace {
  /** Whose page it is: the resource that is read, or its parent. */
  readonly resource: string;
  /** As sent, with every credential masked. */
  readonly request: TracedRequest;
  readonly response: { readonly status: number; readonly headers: Readonly<Record<string, string>> };
  /** Where the records were found and why there. */
  readonly selection: string;
  /** The paginator, and who says that it is this one. */
  readonly paginator: string;
  /** The request of the next page without its credentials, or how sure it is that there is none; and why. */
  readonly next: { readonly why?: string } & (
    | { readonly request: TracedRequest }
    | { readonly end: Completeness }
  );
}

export interface TracedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** As text. */
  readonly body?: string;
}
