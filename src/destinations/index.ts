// Written by scripts/generate.mjs from the files of this folder. Do not edit; `npm run build` renews it.
import { duckdbDestination } from "./duckdb.js";
import { postgresDestination } from "./postgres.js";

/** Every destination, by file name. */
export const destinations = [duckdbDestination, postgresDestination] as const;
