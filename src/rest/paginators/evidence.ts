import { scalarText } from "../values.js";
import type { Detected } from "./detection.js";

/** What a page showed that made its paginator the one it is, in words. */
export function evidenceOf({ type, options, probe }: Detected): string {
  const option = (name: string) => scalarText(options[name]) ?? "";
  const until = (what: string) =>
    options["total_path"] === null
      ? `until a page is not full`
      : `${option("total_path")} tells how many ${what}`;
  switch (type) {
    case "header_link":
      return 'detected header_link: the Link header has rel="next"';
    case "header_cursor":
      return `detected header_cursor: the header ${option("cursor_key")} names the next page, sent as ${option("cursor_param")}`;
    case "json_link":
      return `detected json_link: ${option("next_url_path")} holds the next page's link`;
    case "cursor":
      return `detected cursor: ${option("cursor_path")} holds a token, sent as ${option("cursor_param")}`;
    case "page_number": {
      const asked = probe === undefined ? "" : "; page 1 is asked for to see whether this was it";
      return `detected page_number: sent as ${option("page_param")}, ${until("pages")}${asked}`;
    }
    case "offset":
      return `detected offset: sent as ${option("offset_param")} in steps of ${option("limit")}, ${until("records")}`;
  }
}
