import { cpus, totalmem } from "node:os";
import type { CellResult } from "./torture.js";

/** One line of numbers a cell, for a terminal and for a page. */
export function tableOf(results: readonly CellResult[]): string {
  const rows = results.map(({ cell, kills, runs, troubled, steps, faults }) =>
    [...cell.split(" "), kills, runs, troubled, steps, faults.length].join(" | "),
  );
  const sum = (key: "kills" | "runs" | "troubled") =>
    results.reduce((total, result) => total + result[key], 0);
  const faults = results.flatMap((result) => result.faults).length;
  return [
    "| destination | disposition | walk | kills | runs | bad source | steps | mismatches |",
    "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ...rows.map((row) => `| ${row} |`),
    `| **all** | | | **${sum("kills")}** | **${sum("runs")}** | **${sum("troubled")}** | | **${faults}** |`,
  ].join("\n");
}

/** Kills by what the process was doing, the most frequent first. */
export function stepsOf(results: readonly CellResult[]): string {
  const total = new Map<string, number>();
  for (const [place, name, count] of results.flatMap(({ cell, byStep }) =>
    [...byStep].map(([name, count]) => [cell.split(" ", 1)[0]!, name, count] as const),
  )) {
    const row = name.startsWith("at a random moment")
      ? `${place} | at a random moment`
      : `${place} | ${name}`;
    total.set(row, (total.get(row) ?? 0) + count);
  }
  const rows = [...total].sort(([left, a], [right, b]) => b - a || (left < right ? -1 : 1));
  return [
    "| destination | killed | times |",
    "| --- | --- | ---: |",
    ...rows.map(([row, count]) => `| ${row} | ${count} |`),
  ].join("\n");
}

/** The page that keeps a result: what was done, on what, and what came of it. */
export function pageOf(
  results: readonly CellResult[],
  run: { readonly command: string; readonly date: string; readonly minutes: number },
): string {
  const kills = results.reduce((sum, result) => sum + result.kills, 0);
  const faults = results.flatMap((result) => result.faults);
  const found = faults.length === 0 ? "none" : `\n\n${faults.map((fault) => `- ${fault}`).join("\n")}`;
  return `# A torture run

Written by the command below; [delivery](delivery.md#how-it-is-proved) says what it does and how to repeat it.

- Command: \`${run.command}\`
- Date: ${run.date}; it took ${run.minutes.toFixed(0)} minutes
- Machine: ${machine()}
- Kills: ${kills}. Mismatches: ${found}

A *kill* is a \`run\` process that was ended by SIGKILL. *Runs* counts these and the ones that followed until the load was
complete. *Bad source*: loads whose API reset connections, cut bodies off, or answered 429, 500 and 503 meanwhile. *Steps*:
durable steps that the undisturbed loads of both phases take, at which a run may be killed.

${tableOf(results)}

## Where they were killed

*Before* a step, *during* it (up to 3 ms after it began), or *after* it (done, and nobody had been told).

${stepsOf(results)}
`;
}

function machine(): string {
  const processors = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} processors (${processors[0]?.model ?? "unknown"}), ${memory} GiB of memory, ${process.platform}, Node ${process.version}`;
}
