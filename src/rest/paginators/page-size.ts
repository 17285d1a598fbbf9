import { z } from "zod";
import type { HttpRequest } from "../../http/message.js";
import { withParam } from "../../http/url.js";

/** Options of paginators whose page size is a query parameter of the first request. */
export const pageSizeOptions = {
  limit: z
    .int()
    .positive()
    .optional()
    .describe("Records a page, asked for in limit_param. Default: the API's own page size."),
  limit_param: z
    .string()
    .min(1)
    .nullable()
    .default("limit")
    .describe("Query parameter that carries limit; null: it is not sent."),
};

/** The first request with its page size. Later ones keep it: they are made from this one, or are links of the API. */
export function withPageSize(
  request: HttpRequest,
  options: { readonly limit?: number | undefined; readonly limit_param: string | null },
): HttpRequest {
  const { limit, limit_param: name } = options;
  return limit === undefined || name === null ? request : withParam(request, name, limit);
}
