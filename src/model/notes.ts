import type { Json } from "./json.js";
import type { Notes } from "./source.js";

/** Notes that are forgotten with the process: where nothing is to be stored, as in a preview. */
export function memoryNotes(): Notes {
  const known = new Map<string, Json>();
  return {
    read: (key) => known.get(key),
    async write(key, value) {
      known.set(key, value);
    },
  };
}
