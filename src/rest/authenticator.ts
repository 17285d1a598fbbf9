import type { ZodType, z } from "zod";
import type { HttpRequest, Send } from "../http/message.js";
import type { Json } from "../model/json.js";
import type { Notes } from "../model/source.js";
import { type Defined, defined, type Own } from "./own.js";

/**
 * Adds credentials to a request. The client calls `authorize` for every attempt, and only for requests to the source's
 * own origin. It must set, not append: a link that echoes the key's parameter does not get it twice.
 *
 * One authenticator is shared by all resources of a client, so what it obtains is obtained once; see
 * `tokenAuthenticator` for one that holds a token.
 */
export interface Authenticator {
  authorize(request: HttpRequest, io: AuthIo): HttpRequest | Promise<HttpRequest>;
  /**
   * Asked once for each request that was answered 401. `sent` is that request as it was refused, with its credentials:
   * if there are newer ones already, nothing is to be done. True: send it again. Without it a 401 is final.
   */
  refresh?(sent: HttpRequest, io: AuthIo): Promise<boolean>;
  /** Names of query parameters that carry the credential; they are cut from stored and logged URLs. */
  readonly queryNames: readonly string[];
}

/** What an auth method is given while requests are sent: its only door to clock, network and the outside. */
export interface AuthIo {
  /** The client's base_url, which relative login paths are joined to. */
  readonly baseUrl: string;
  /** Aborted when nobody waits for the request any more. */
  readonly signal: AbortSignal;
  /**
   * Sends a request of the method's own, such as one for a token: with the client's retries and time limits, to
   * whatever origin its URL names, and with no credentials but those that are in it. 400, 401, 403 and 422 are
   * `auth/rejected`.
   */
  readonly send: Send;
  /** Small facts that outlive the run, such as a token for the next time. Never a secret in clear. One object a run. */
  readonly notes: Notes;
  /** Milliseconds since 1970. */
  now(): number;
  /** Makes a value known as secret. Call it with everything that is obtained, before it is used. */
  conceal(value: string): void;
  /** Tells the user something that does not stop the run. */
  warn(code: string, message: string): void;
}

/** One auth method, one file; registry, reference and JSON Schema are derived from it. */
export interface AuthDefinition<Options extends ZodType = ZodType, Type extends string = string> {
  readonly type: Type;
  readonly summary: string;
  /** A strict object without `type`, every option described. Options that hold credentials use `credential()`. */
  readonly options: Options;
  /** Names of options that hold templates of the method's own, which are not evaluated when the pipeline is loaded. */
  readonly expressions?: readonly string[];
  create(options: z.output<Options>): Authenticator;
  readonly examples: readonly AuthExample<z.input<Options>>[];
}

/** A request before and after, as data: run by the auth laws and printed in the reference. */
export interface AuthExample<Options> {
  readonly title: string;
  readonly options: Options;
  readonly url: string;
  readonly sent: { readonly url?: string; readonly headers?: Readonly<Record<string, string>> };
  /** For methods that obtain a token: how they ask for it, what they are answered, and for how many seconds it serves. */
  readonly obtains?: {
    readonly request: Omit<HttpRequest, "headers"> & { readonly headers?: HttpRequest["headers"] };
    readonly answer: Json;
    readonly seconds?: number;
  };
}

/** An auth method of one's own with its options, as it stands in `client.auth` and `endpoint.auth`. */
export type OwnAuth = Own<AuthDefinition>;

/** A definition that is called with its options to be used in a configuration. */
export type DefinedAuth<Options extends ZodType, Type extends string> = Defined<
  AuthDefinition<Options, Type>,
  Options
>;

/**
 * Defines an auth method. What it returns is the definition, and a function from options to what `client.auth` takes;
 * options may hold `secret("name")`, and are checked when the pipeline is loaded. Without options the definition stands
 * there itself.
 *
 * @example
 * const teamAuth = defineAuth({
 *   type: "team", summary: "Sends the team's name.",
 *   options: z.strictObject({ team: z.string().describe("The team.") }),
 *   create: ({ team }) => ({
 *     queryNames: [],
 *     authorize: (request) => ({ ...request, headers: { ...request.headers, "x-team": team } }),
 *   }),
 *   examples: [],
 * });
 * restApi({ client: { base_url: "https://api.example.com/", auth: teamAuth({ team: "blue" }) }, resources: ["calls"] });
 */
export function defineAuth<const Type extends string, Options extends ZodType>(
  definition: AuthDefinition<Options, Type>,
): DefinedAuth<Options, Type> {
  return defined("auth", definition);
}
