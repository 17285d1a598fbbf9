// Written by scripts/generate.mjs from the files of this folder. Do not edit; `npm run build` renews it.
import { apiKeyAuth } from "./api-key.js";
import { bearerAuth } from "./bearer.js";
import { httpBasicAuth } from "./http-basic.js";
import { oauth2ClientCredentialsAuth } from "./oauth2-client-credentials.js";
import { oauth2RefreshTokenAuth } from "./oauth2-refresh-token.js";
import { sessionTokenAuth } from "./session-token.js";

/** Every auth method, by file name. */
export const auths = [
  apiKeyAuth,
  bearerAuth,
  httpBasicAuth,
  oauth2ClientCredentialsAuth,
  oauth2RefreshTokenAuth,
  sessionTokenAuth,
] as const;
