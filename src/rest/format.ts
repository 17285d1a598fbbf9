import { chooseComponent, createComponent } from "./components.js";
import type { Decode, DecoderDefinition } from "./decoder.js";
import { decoders } from "./decoders/index.js";
import { jsonDecoder } from "./decoders/json.js";
import type { Finding, Findings } from "./finding.js";
import { guardDecode } from "./guard.js";
import type { EndpointOptions } from "./options.js";

/** How an endpoint's bodies are decoded, and what it asks for in `accept`. */
export interface Format {
  readonly decode: Decode;
  readonly accept: string;
}

/**
 * The decoder that `endpoint.format` names. Without one every response is decoded by its content type: a format claims
 * it, or it ends in a suffix such as `+json` (RFC 6839), else it is taken for JSON, as many APIs label it text.
 */
export function planFormat(
  configured: EndpointOptions["format"],
  path: Finding["path"],
  findings: Findings,
): Format | undefined {
  if (configured === undefined || configured === null) return { decode: decodeByType(), accept: ACCEPT };
  const known = decoders as readonly unknown[] as readonly DecoderDefinition[];
  const chosen = chooseComponent("format", known, configured, path, findings);
  if (chosen === undefined) return undefined;
  const create = (): Decode => chosen.definition.create(chosen.options as never);
  const decode = createComponent(chosen, create, path, findings);
  if (decode === undefined) return undefined;
  return {
    decode: chosen.own === undefined ? decode : guardDecode(decode, chosen.own),
    accept: chosen.definition.mediaTypes[0],
  };
}

const ACCEPT = jsonDecoder.mediaTypes[0];

function decodeByType(): Decode {
  const json = jsonDecoder.create({});
  const byType = new Map<string, Decode>();
  for (const definition of decoders as readonly DecoderDefinition[]) {
    const decode = definition.create(definition.options.parse({}) as never);
    for (const type of definition.mediaTypes) byType.set(type, decode);
  }
  return (body, head) => {
    const type = head.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
    return (byType.get(type) ?? json)(body, head);
  };
}
