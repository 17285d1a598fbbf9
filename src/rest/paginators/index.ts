// Written by scripts/generate.mjs from the files of this folder. Do not edit; `npm run build` renews it.
import { autoPaginator } from "./auto.js";
import { cursorPaginator } from "./cursor.js";
import { cursorExpressionPaginator } from "./cursor-expression.js";
import { headerCursorPaginator } from "./header-cursor.js";
import { headerLinkPaginator } from "./header-link.js";
import { jsonLinkPaginator } from "./json-link.js";
import { offsetPaginator } from "./offset.js";
import { pageNumberPaginator } from "./page-number.js";
import { singlePagePaginator } from "./single-page.js";

/** Every paginator, by file name. */
export const paginators = [
  autoPaginator,
  cursorPaginator,
  cursorExpressionPaginator,
  headerCursorPaginator,
  headerLinkPaginator,
  jsonLinkPaginator,
  offsetPaginator,
  pageNumberPaginator,
  singlePagePaginator,
] as const;
