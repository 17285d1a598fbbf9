// Written by scripts/generate.mjs from the files of this folder. Do not edit; `npm run build` renews it.
import { duckdbDestination } from "./duckdb.js";
import { fileDestination } from "./file.js";
import { postgresDestination } from "./postgres.js";
import { s3Destination } from "./s3.js";

/** Every destination, by file name. */
export const destinations = [duckdbDestination, fileDestination, postgresDestination, s3Destination] as const;
