import type { Outcome } from "./cases/case.js";

/** A result as people read it. */
export function markdown(facts: Readonly<Record<string, string>>, outcomes: readonly Outcome[]): string {
  const lines = [
    `# ${facts["date"]?.slice(0, 10)}`,
    "",
    ...Object.entries(facts).map(([name, value]) => `- ${name}: ${value}`),
    "",
    "Medians. A second is that of the whole process, its start included. CPU is user and system time of all its threads;",
    "a PostgreSQL server's is not in it. Ratios of rows a second are above 1 where a run is faster.",
  ];
  return `${[...lines, ...outcomes.flatMap(section)].join("\n")}\n`;
}

export function section({ title, columns, rows, notes }: Outcome): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = columns.map((_, index) => (index === 0 ? "---" : "--:"));
  const table = columns.length === 0 ? [] : ["", line(columns), line(rule), ...rows.map(line)];
  return ["", `## ${title}`, ...table, ...notes.flatMap((note) => ["", note])];
}
