/**
 * The known word that a mistyped one most likely stands for: one that it begins or that begins it (at least three
 * characters), or one at most two edits away (one for words of up to four characters). Case, `-` and `_` do not count.
 *
 * @example
 * closest("cursor_vale", ["cursor_path", "cursor_value"]); // "cursor_value"
 * closest("colour", ["size"]);                             // undefined
 */
export function closest(word: string, known: readonly string[]): string | undefined {
  const typed = plain(word);
  const reach = typed.length <= 4 ? 1 : 2;
  const ranked = known
    .map((candidate) => ({ candidate, distance: distanceOf(typed, plain(candidate)) }))
    .filter(({ distance }) => distance <= reach)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate;
}

/** ` – did you mean "x"?`, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const suggestion = closest(word, known);
  return suggestion === undefined ? "" : ` – did you mean "${suggestion}"?`;
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_]/g, "");
}

function distanceOf(typed: string, known: string): number {
  const edits = editDistance(typed, known);
  const shorter = Math.min(typed.length, known.length);
  const begins = shorter >= 3 && (typed.startsWith(known) || known.startsWith(typed));
  return begins ? Math.min(edits, 1) : edits;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  // Words of configurations are short; a bound keeps hostile ones cheap.
  if (Math.abs(a.length - b.length) > 2) return 3;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(row[j - 1]! + 1, above[j]! + 1, replaced);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}
