import type { HttpRequest } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import { isObject, type Json } from "../../model/json.js";
import type { AuthIo } from "../authenticator.js";
import { jsonDecoder } from "../decoders/json.js";

/**
 * Sends the request for a token and reads its answer.
 *
 * @throws SluiceError `auth/rejected` when it is refused; else what the client throws. Its place is the token request.
 */
export async function askForToken(request: HttpRequest, hint: string, io: AuthIo): Promise<Json> {
  try {
    const exchange = await io.send(request, io.signal);
    const { value } = await exchange.read(jsonDecoder.create({}));
    return value ?? null;
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code === "run/interrupted") throw error;
    const at = error.at.request === undefined ? {} : { request: error.at.request };
    throw new SluiceError(error.code, `no token was obtained: ${error.message}`, {
      at,
      ...(error.code === "auth/rejected" ? { hint } : error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}

/**
 * A token in an answer, made known as secret. Anything but a text with something in it is an error: a missing token must
 * not be sent as the word "undefined".
 *
 * @param where the key or path that was looked at, for the message.
 */
export function tokenIn(
  value: Json | undefined,
  where: string,
  answer: Json,
  request: HttpRequest,
  io: AuthIo,
): string {
  if (typeof value === "string" && value !== "") {
    io.conceal(value);
    return value;
  }
  // OAuth errors come with status 200 from some servers; the code is one of a few words (RFC 6749 §5.2).
  const error = isObject(answer) ? answer["error"] : undefined;
  const said = typeof error === "string" && /^\w{1,60}$/.test(error) ? `; it says "${error}"` : "";
  const found = value === undefined || value === null ? "no" : "an unusable";
  throw new SluiceError("auth/rejected", `the answer to the token request has ${found} ${where}${said}`, {
    at: { request: `${request.method} ${new URL(request.url).origin}${new URL(request.url).pathname}` },
    hint: "Check the URL of the token request and what is sent to it.",
  });
}
