import { z } from "zod";
import type { HttpRequest } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import { bodyPathOption, placeOf } from "./place.js";

const limitParam = z
  .string()
  .min(1)
  .nullable()
  .optional()
  .describe('Query parameter that carries limit; null: it is not sent. Default "limit", or limit_body_path.');

/** Where a page size goes. */
export const pageSizePlaceOptions = {
  limit_param: limitParam,
  limit_body_path: bodyPathOption("limit"),
};

/** Options of paginators whose page size is part of the first request. */
export const pageSizeOptions = {
  limit: z
    .int()
    .positive()
    .optional()
    .describe("Records a page, asked for in limit_param. Default: the API's own page size."),
  ...pageSizePlaceOptions,
};

interface PageSizePlaces {
  readonly limit?: number | undefined;
  readonly limit_param?: string | null | undefined;
  readonly limit_body_path?: string | null | undefined;
  /** Where the same paginator puts its offset or token, if it sends one. */
  readonly offset_param?: string | null | undefined;
  readonly offset_body_path?: string | null | undefined;
  readonly cursor_param?: string | null | undefined;
  readonly cursor_body_path?: string | null | undefined;
}

/**
 * Puts the page size into the first request. Later ones keep it: they are made from this one, or are links of the API.
 *
 * @throws SluiceError `config/invalid` when `limit_param` and `limit_body_path` are both set, when one of them is and
 *   `limit` is not, or when the page size would take the place of the offset or token.
 */
export function pageSizeOf(options: PageSizePlaces): (request: HttpRequest) => HttpRequest {
  const { limit, limit_param: param, limit_body_path: bodyPath } = options;
  const place = placeOf(["limit_param", "limit_body_path"], param, bodyPath, "limit");
  if (limit === undefined) {
    refuseWithoutLimit(options);
    return (request) => request;
  }
  refuseSharedPlace(options);
  const isSent = param !== null || (bodyPath !== null && bodyPath !== undefined);
  return (request) => (isSent ? place.set(request, limit) : request);
}

function refuseWithoutLimit(options: PageSizePlaces): void {
  const option = (["limit_param", "limit_body_path"] as const).find(
    (name) => (options[name] ?? null) !== null,
  );
  if (option === undefined) return;
  throw new SluiceError("config/invalid", `${option} says where the page size goes, but limit is not set`, {
    hint: `Set limit to the number of records a page, or leave ${option} out.`,
  });
}

function refuseSharedPlace(options: PageSizePlaces): void {
  const { limit_body_path: bodyPath } = options;
  const inBody = bodyPath !== null && bodyPath !== undefined;
  const taken = inBody ? bodyPath : options.limit_param === undefined ? "limit" : options.limit_param;
  const others = inBody
    ? (["offset_body_path", "cursor_body_path"] as const)
    : (["offset_param", "cursor_param"] as const);
  const other = taken === null ? undefined : others.find((name) => options[name] === taken);
  if (other === undefined) return;
  throw new SluiceError("config/invalid", `limit and ${other} would both be sent as "${String(taken)}"`, {
    hint: "The one would overwrite the other. Give each the name that the API knows it by.",
  });
}
