import { z } from "zod";
import type { HttpRequest } from "../../http/message.js";
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

/**
 * Puts the page size into the first request. Later ones keep it: they are made from this one, or are links of the API.
 *
 * @throws SluiceError `config/invalid` when `limit_param` and `limit_body_path` are both set.
 */
export function pageSizeOf(options: {
  readonly limit?: number | undefined;
  readonly limit_param?: string | null | undefined;
  readonly limit_body_path?: string | null | undefined;
}): (request: HttpRequest) => HttpRequest {
  const { limit, limit_param: param, limit_body_path: bodyPath } = options;
  const place = placeOf(["limit_param", "limit_body_path"], param, bodyPath, "limit");
  const isSent = param !== null || (bodyPath !== null && bodyPath !== undefined);
  return (request) => (limit === undefined || !isSent ? request : place.set(request, limit));
}
