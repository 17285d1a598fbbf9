import { z } from "zod";
import { Secret } from "../model/secret.js";

/**
 * An option that holds a credential: a text, or the `Secret` that a `secrets` lookup gives. Either way it is a `Secret`
 * afterwards: the plan makes its value known to the redactor, and only the auth method reveals it.
 */
export function credential(): z.ZodType<Secret, Secret | string> {
  return z
    .union([z.string().min(1, "must not be empty"), z.instanceof(Secret)])
    .transform((value) => (value instanceof Secret ? value : new Secret("credential", value)));
}

/**
 * An option that names someone and is no secret by itself: a username, a client id. A `secrets` lookup is taken as well;
 * its value is then hidden like any other secret.
 */
export function identifier(): z.ZodType<string, Secret | string> {
  return z
    .union([z.string().min(1, "must not be empty"), z.instanceof(Secret)])
    .transform((value) => (value instanceof Secret ? value.reveal() : value));
}
