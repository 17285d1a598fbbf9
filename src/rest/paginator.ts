import type { ZodType, z } from "zod";
import type { HttpRequest, ResponseHead } from "../http/message.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Completeness } from "../model/source.js";
import { type Defined, defined, type Own } from "./own.js";

/** A page's records, of which only those that are asked for may become values. */
export type RecordList = Pick<readonly Json[], "length" | "at"> & Iterable<Json>;

/** What a paginator may look at: the request it was asked with, and what came back. */
export interface PageView {
  readonly request: HttpRequest;
  readonly head: ResponseHead;
  /** The decoded body. Absent when the paginator said that it needs the head alone. */
  readonly body?: Json;
  /** The records that the selector found, before any filter. Absent like `body`. */
  readonly records?: RecordList;
  /** What `next` gave along with this page's request; absent on the first page. */
  readonly memo?: JsonObject;
}

/** The next request, or the end and how sure it is. */
export type Next =
  | {
      readonly request: HttpRequest;
      /** What the following step must know and can't read from its request. It is stored with the request. */
      readonly memo?: JsonObject;
      /** The page in hand has only records of the page before it: they are not handed over a second time. */
      readonly repeats?: true;
      /** Why this one, in a few words, where it is not plain from the paginator. Shown by `preview`. */
      readonly why?: string;
    }
  | {
      readonly end: Completeness;
      /** Why, in a few words: "no next link", "total of 250 reached". Shown by `preview`. */
      readonly why: string;
    };

/**
 * Two pure functions. There is no hidden state: the request is the position, so the next request is also the
 * checkpoint, and a paginator made anew continues where another one stopped. What can't be seen in a request (`auto`
 * must know what it detected) goes into the `memo` beside it, and is stored with it.
 *
 * `first` is called once per walk, and not when a walk is resumed. It is also called at plan time, where what it throws
 * is a mistake in the configuration. `next` is called once per page.
 */
export interface Paginator {
  /** `head`: the next request is known before the body is read, and leaves at once. */
  readonly needs: "head" | "body";
  first(request: HttpRequest): HttpRequest;
  next(page: PageView): Next;
  /**
   * Where pages are counted: the requests that come after the one that `next` gives, in order and at most `count`, as
   * far as this page tells that they exist. They are sent ahead; each page is judged by `next` all the same, and what
   * was sent for nothing is dropped.
   */
  ahead?(page: PageView, count: number): readonly HttpRequest[];
}

/** What plan time gives to every paginator: values for its expressions that do not change during a walk. */
export interface PaginatorContext {
  /** `config` in expressions: variables of the pipeline. */
  readonly config: JsonObject;
  /** `parameters` in expressions: the endpoint's own params. */
  readonly parameters: JsonObject;
  /**
   * `secrets` in expressions. A request that holds one can't be stored as a position, so a walk whose cursors use
   * secrets can't be resumed.
   */
  readonly secrets: Readonly<Record<string, string>>;
}

/**
 * One kind of paginator: its file holds its options, summary, code and examples. The registry, the reference page, the
 * JSON Schema and the paginator laws are derived from this.
 */
export interface PaginatorDefinition<Options extends ZodType = ZodType, Type extends string = string> {
  /** The `type` in the configuration. Two definitions may share one type if `selectedBy` tells them apart. */
  readonly type: Type;
  /** The option whose presence selects this definition among those of the same type. */
  readonly selectedBy?: string;
  readonly summary: string;
  /** A strict object without `type`, every option described. */
  readonly options: Options;
  create(options: z.output<Options>, context: PaginatorContext): Paginator;
  readonly examples: readonly PaginatorExample<z.input<Options>>[];
}

/** A walk told as data: run by the paginator laws and printed in the reference. */
export interface PaginatorExample<Options> {
  readonly title: string;
  readonly options: Options;
  /** JSON body that the endpoint is configured with, and the body of the first request. Default: none. */
  readonly body?: Json;
  readonly firstBody?: Json;
  /** First request's URL, and after each response the next request's URL; `end` instead of it at the end. */
  readonly first: string;
  readonly steps: readonly {
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: Json;
    /** Number of records on the page; the selector's work is not part of the example. */
    readonly records?: number;
    readonly next?: string;
    /** The next request's JSON body. Default: none. */
    readonly nextBody?: Json;
    readonly end?: Completeness;
  }[];
}

/** A paginator of one's own with its options, as it stands in `client.paginator` and `endpoint.paginator`. */
export type OwnPaginator = Own<PaginatorDefinition>;

/** A definition that is called with its options to be used in a configuration. */
export type DefinedPaginator<Options extends ZodType, Type extends string> = Defined<
  PaginatorDefinition<Options, Type>,
  Options
>;

/**
 * Defines a paginator. What it returns is the definition, and a function from options to what `endpoint.paginator` takes;
 * without options the definition stands there itself. Options are checked when the pipeline is loaded.
 *
 * @example
 * const ticketPaginator = definePaginator({
 *   type: "ticket", summary: "Sends the ticket of each page back in a header.",
 *   options: z.strictObject({ header: z.string().describe("The header.") }),
 *   create: ({ header }) => ({
 *     needs: "head",
 *     first: (request) => request,
 *     next({ request, head }) {
 *       const ticket = head.headers[header];
 *       if (ticket === undefined) return { end: "proved", why: "no ticket" };
 *       return { request: { ...request, headers: { ...request.headers, [header]: ticket } } };
 *     },
 *   }),
 *   examples: [],
 * });
 * const calls = { name: "calls", endpoint: { paginator: ticketPaginator({ header: "x-ticket" }) } };
 */
export function definePaginator<const Type extends string, Options extends ZodType>(
  definition: PaginatorDefinition<Options, Type>,
): DefinedPaginator<Options, Type> {
  return defined("paginator", definition);
}
