// Written by scripts/generate.mjs from the files of this folder. Do not edit; `npm run build` renews it.
import { apiKeyAuth } from "./api-key.js";
import { bearerAuth } from "./bearer.js";

/** Every auth method, by file name. */
export const auths = [apiKeyAuth, bearerAuth] as const;
