import { z } from "zod";
import type { Judge, Verdict } from "../http/judge.js";
import { SluiceError } from "../model/error.js";
import { didYouMean } from "../model/suggest.js";
import type { Finding, Findings } from "./finding.js";
import { functionOption } from "./function-option.js";

/**
 * `ignore`: no records, and the walk ends. `raise`: an error at once. `retry`: sent again, by the retry policy.
 * `refresh_auth`: sent again with newer credentials, once, for APIs that refuse them with another status than 401.
 */
export type ResponseActionName = "ignore" | "raise" | "retry" | "refresh_auth";
const ACTIONS: readonly string[] = [
  "ignore",
  "raise",
  "retry",
  "refresh_auth",
] satisfies ResponseActionName[];

/** A response as a function among the `response_actions` sees it. */
export interface JudgedResponse {
  readonly status: number;
  /** The URL that answered, after redirects. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The beginning of the body, at most 64 KiB. */
  readonly text: string;
}

/**
 * Decides on a response, or returns nothing to leave it to the actions after it. It is called for every attempt, and
 * may not have effects.
 *
 * @example
 * const quota: ResponseFunction = ({ text }) =>
 *   text.includes('"quota_exceeded"') ? { action: "raise", message: "the quota of this month is used up" } : undefined;
 */
export type ResponseFunction = (
  response: JudgedResponse,
) => ResponseActionName | { readonly action: ResponseActionName; readonly message?: string } | undefined;

const responseFunction = functionOption<ResponseFunction>();
const STATUS = /^[1-5](\d\d|xx)$/i;

const responseAction = z.strictObject({
  status_code: z
    .union([z.int(), z.string()])
    .optional()
    .describe("The status, or a class of them such as 4xx; left out: any."),
  content: z
    .string()
    .min(1)
    .optional()
    .describe("Text that the first 64 KiB of the body contain; left out: any body."),
  action: z
    .union([z.string().meta({ enum: [...ACTIONS] }), responseFunction])
    .describe(
      "`ignore`: no records, and the walk ends. `raise`: fails at once. `retry`: sent again by client.retry. `refresh_auth`: sent again at once with a new token, as after a 401.",
    ),
  message: z.string().min(1).optional().describe("What the error says, for all but ignore."),
});

/** What is done with certain responses; the first item that fits decides. */
export const responseActions = z.array(z.union([responseFunction, responseAction]));
type ResponseActions = z.output<typeof responseActions>;

/** One item, ready to be asked. */
interface Rule {
  readonly fits: (status: number) => boolean;
  readonly content: string | undefined;
  readonly decide: Verdict | ((response: JudgedResponse) => Verdict | undefined);
}

/**
 * Checks `response_actions` and makes the judge of an endpoint's responses. As in dlt 1.26 an item fits if both its
 * status and its content do; other than there the first one that fits decides, a status may be a class, `raise` and
 * `retry` exist, functions return their decision, a mistake is found before the first request, and the 3xx of a followed
 * redirect is never looked at.
 *
 * The body is read early only where an item that fits the status needs it, so the others keep their head start.
 */
export function planJudge(
  actions: ResponseActions,
  path: Finding["path"],
  findings: Findings,
): Judge | undefined {
  const rules = actions.flatMap((item, index) => planRule(item, [...path, index], findings) ?? []);
  return rules.length === 0 ? undefined : judgeBy(rules);
}

function planRule(
  item: ResponseActions[number],
  path: Finding["path"],
  findings: Findings,
): Rule | undefined {
  if (typeof item === "function") {
    return { fits: () => true, content: undefined, decide: deciding(item, path) };
  }
  const { action, content, message, status_code } = item;
  const status = status_code === undefined ? undefined : String(status_code);
  if (status !== undefined && !STATUS.test(status)) {
    return findings.add(
      [...path, "status_code"],
      "a status is a number from 100 to 599, or a class of them",
      {
        hint: 'For example 404 or "4xx".',
      },
    );
  }
  const fits = fitsStatus(status);
  if (typeof action === "function") return { fits, content, decide: deciding(action, path) };
  if (!isAction(action)) {
    return findings.add([...path, "action"], `unknown action "${action}"${didYouMean(action, ACTIONS)}`, {
      hint: `Known actions are ${ACTIONS.join(", ")}.`,
    });
  }
  if (status === undefined && content === undefined) {
    return findings.add(path, `"${action}" without status_code and content would hold for every response`, {
      hint: "Say which responses it is for.",
    });
  }
  return { fits, content, decide: { action, ...(message === undefined ? {} : { message }) } };
}

function fitsStatus(wanted: string | undefined): Rule["fits"] {
  if (wanted === undefined) return () => true;
  const digits = wanted.toLowerCase().replace("xx", "");
  return (status) => String(status).startsWith(digits);
}

function isAction(text: unknown): text is ResponseActionName {
  return typeof text === "string" && ACTIONS.includes(text);
}

/** Checks what a function does: in JavaScript it can be anything. */
function deciding(decide: ResponseFunction, path: Finding["path"]) {
  const call = (response: JudgedResponse): ReturnType<ResponseFunction> => {
    try {
      return decide(response) ?? undefined;
    } catch (cause) {
      if (cause instanceof SluiceError) throw cause;
      const words = cause instanceof Error ? cause.message : String(cause);
      throw new SluiceError("expression/failed", `a function of response_actions threw: ${words}`, {
        at: { path: path.join(".") },
        cause,
      });
    }
  };
  return (response: JudgedResponse): Verdict | undefined => {
    const decision = call(response);
    if (decision === undefined) return undefined;
    const verdict = typeof decision === "string" ? { action: decision } : decision;
    if (isAction(verdict.action)) return verdict;
    throw new SluiceError("config/invalid", `a function of response_actions returned no known action`, {
      at: { path: path.join(".") },
      hint: `It returns ${ACTIONS.join(", ")}, an object with such an action, or nothing.`,
    });
  };
}

function judgeBy(rules: readonly Rule[]): Judge {
  return (head, text) => {
    for (const { content, decide, fits } of rules) {
      if (!fits(head.status)) continue;
      const needsText = content !== undefined || typeof decide === "function";
      if (needsText && text === undefined) return "needs-text";
      if (content !== undefined && text?.includes(content) !== true) continue;
      const verdict = typeof decide === "function" ? decide({ ...head, text: text ?? "" }) : decide;
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  };
}
