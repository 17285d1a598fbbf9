import { bodies, drain } from "./baselines/download.js";
import { naive } from "./baselines/naive.js";
import { native, nativeSimple } from "./baselines/native.js";
import type { Dataset } from "./data/dataset.js";
import { narrow } from "./data/narrow.js";
import { SELECTOR } from "./data/pages.js";
import { wide } from "./data/wide.js";

/**
 * One baseline in a process of its own: `node baseline.js KIND URL DATASET DATABASE`. Prints how many bytes or rows it
 * has seen, where no table tells.
 */
const [, , kind = "", url = "", name = "", database = ""] = process.argv;
const dataset = [wide, narrow].find((dataset) => dataset.name === name);
if (dataset === undefined) throw new Error(`no dataset ${name}`);

const BASELINES: Readonly<
  Record<string, (url: string, database: string, dataset: Dataset) => Promise<number | void>>
> = { drain, parse, native, "native-simple": nativeSimple, naive };

async function parse(url: string): Promise<number> {
  let rows = 0;
  await bodies(url, (body) => {
    rows += (JSON.parse(body.toString()) as Record<string, unknown[]>)[SELECTOR]!.length;
  });
  return rows;
}

const baseline = BASELINES[kind];
if (baseline === undefined) throw new Error(`no baseline ${kind}`);
console.log(String((await baseline(url, database, dataset)) ?? ""));
