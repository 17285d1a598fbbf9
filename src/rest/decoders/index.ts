// Written by scripts/generate.mjs from the files of this folder. Do not edit; `npm run build` renews it.
import { csvDecoder } from "./csv.js";
import { jsonDecoder } from "./json.js";
import { jsonlDecoder } from "./jsonl.js";
import { xmlDecoder } from "./xml.js";
import { zipDecoder } from "./zip.js";

/** Every response format, by file name. */
export const decoders = [csvDecoder, jsonDecoder, jsonlDecoder, xmlDecoder, zipDecoder] as const;
