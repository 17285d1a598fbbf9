import type { Json } from "../model/json.js";
import type { Notes } from "../model/source.js";
import type { Pipeline } from "./load.js";

/**
 * The pipeline's notes for whoever looks without loading. What is stored is read, as far as the destination can be
 * opened just now. What is written is forgotten in the end, except for what would lock the user out if it were lost: a
 * refresh token that has replaced the configured one is stored even by a preview.
 */
export async function borrowedNotes(pipeline: Pipeline): Promise<Notes> {
  const known = new Map(Object.entries(await storedNotes(pipeline)));
  const { plan } = pipeline.parts;
  return {
    read: (key) => known.get(key),
    async write(key, value, options) {
      known.set(key, value);
      if (options?.vital !== true) return;
      await using connection = await plan.destination.connect(plan.dataset, new AbortController().signal);
      await connection.remember(plan.name, key, value);
    },
  };
}

async function storedNotes({ parts }: Pipeline): Promise<Readonly<Record<string, Json>>> {
  const { plan } = parts;
  try {
    if ((await plan.destination.exists?.()) === false) return {};
    await using connection = await plan.destination.connect(plan.dataset, new AbortController().signal);
    return (await connection.state(plan.name))?.notes ?? {};
  } catch {
    // A preview needs no destination; check --connect tells what is wrong with it.
    return {};
  }
}
