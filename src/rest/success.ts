import { z } from "zod";
import { isTemplate, parseTemplate } from "../expression/template.js";
import { isTruthy } from "../expression/truth.js";
import { AttemptError } from "../http/attempt-error.js";
import { statusText } from "../http/judge.js";
import { type ResponseHead, ResponseIgnored } from "../http/message.js";
import { SluiceError } from "../model/error.js";
import type { Json } from "../model/json.js";
import type { PlanEnvironment } from "./environment.js";
import { attempt, type Finding, type Findings } from "./finding.js";
import { functionOption } from "./function-option.js";
import { scalarText } from "./values.js";
import type { WalkSpec } from "./walk.js";

/** A decoded response, as `success_when` sees it. */
export interface DecodedResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The decoded body. */
  readonly response: Json;
}

/** Tells whether a response is a success; called for every attempt with a 2xx status and a body. May have no effects. */
export type SuccessFunction = (response: DecodedResponse) => unknown;

const condition = z.union([z.string().min(1), functionOption<SuccessFunction>()]);

/** When a response with a 2xx status is a success. */
export const successOptions = z.union([
  condition,
  z.strictObject({
    condition: condition.describe("An expression such as {{ response.ok }}, or a function."),
    otherwise: z
      .enum(["raise", "retry", "ignore"])
      .optional()
      .describe(
        "What is done if it is not true. `raise`: fails at once; `retry`: sent again by client.retry; `ignore`: no records, and the walk ends. Default raise.",
      ),
    message: z
      .string()
      .min(1)
      .optional()
      .describe(
        "What the error says, such as {{ response.error }}. It is shown, so never name a record's field.",
      ),
  }),
]);
export type SuccessOptions = z.output<typeof successOptions>;

const ROOTS = ["response", "headers", "status", "config"];

type Context = DecodedResponse & { readonly config: PlanEnvironment["variables"] };

/**
 * The decoder of an endpoint with `success_when`: decodes, and then asks whether the response is a success. A response
 * without a body (status 204) has nothing to be asked about.
 *
 * The decoder throws AttemptError response/unsuccessful, or `ResponseIgnored`.
 */
export function planSuccess(
  configured: SuccessOptions | null | undefined,
  decode: WalkSpec["decode"],
  env: PlanEnvironment,
  path: Finding["path"],
  findings: Findings,
): WalkSpec["decode"] {
  if (configured === null || configured === undefined) return decode;
  const options = typeof configured === "object" ? configured : { condition: configured };
  const { otherwise = "raise" } = options;
  const isSuccess = attempt(() => compileCondition(options.condition), path, findings);
  const message = attempt(() => compileMessage(options.message), path, findings);
  if (isSuccess === undefined) return decode;
  return async (bytes, head) => {
    const response = await decode(bytes, head);
    if (response === undefined) return undefined;
    const { headers, status } = head;
    const context: Context = { response, headers, status, config: env.variables };
    if (isSuccess(context)) return response;
    if (otherwise === "ignore") throw new ResponseIgnored(head);
    throw failure(head, otherwise, message?.(context));
  };
}

function failure(
  head: ResponseHead,
  otherwise: "raise" | "retry",
  message: string | undefined,
): AttemptError {
  const status = statusText(head.status);
  return new AttemptError({
    code: "response/unsuccessful",
    reason:
      message === undefined || message === ""
        ? `${status}, but success_when does not hold for the response`
        : `${message.replaceAll(/[\p{Cc}\s]+/gu, " ").slice(0, 200)} (${status})`,
    retry: otherwise === "retry" ? "always" : "never",
    hint: "This is decided by endpoint.success_when.",
    answer: head,
  });
}

function compileCondition(condition: string | SuccessFunction): (context: Context) => boolean {
  if (typeof condition === "function") return (context) => Boolean(called(condition, context));
  if (!isTemplate(condition)) {
    throw new SluiceError("config/invalid", "a condition is an expression in {{ … }}", {
      hint: 'For example success_when: "{{ response.ok }}".',
    });
  }
  const template = parseTemplate(condition, ROOTS);
  return (context) => isTruthy(template.evaluate({ ...context }));
}

/** What it throws may quote the response. */
function called(condition: SuccessFunction, context: Context): unknown {
  try {
    return condition(context);
  } catch (cause) {
    const kind = cause instanceof Error ? cause.constructor.name : "something that is no Error";
    throw new SluiceError("expression/failed", `the function of success_when threw ${kind}`, { cause });
  }
}

function compileMessage(message: string | undefined): (context: Context) => string | undefined {
  if (message === undefined || !isTemplate(message)) return () => message;
  const template = parseTemplate(message, ROOTS);
  return (context) => scalarText(template.evaluate({ ...context }));
}
