import { isReadableLinkHeader } from "../http/link-header.js";
import type { Send } from "../http/message.js";

/** Sends as before, and warns of the first `Link` header that can't be read: to paginators it is as good as none. */
export function warningOfLinks(send: Send, warn: (message: string) => void): Send {
  let warned = false;
  return async (request, signal) => {
    const exchange = await send(request, signal);
    const { headers } = exchange.head;
    if (!warned && !isReadableLinkHeader(headers["link"])) {
      warned = true;
      warn(
        "the response's Link header can't be read as RFC 8288 says, so its links are not followed; expected something like <https://api.example.com/items?page=2>; rel=\"next\"",
      );
    }
    return exchange;
  };
}
