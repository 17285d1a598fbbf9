/** What the package gives. Zod is not in `api.ts`: all of it takes time to load, and the command line needs a part. */
/** Zod 4, for the options of paginators, auth methods, formats and destinations of one's own. */
export { z } from "zod";
export * from "./api.js";
