/**
 * Words and chunks of a text: what the workers count, and what the main program checks them with.
 *
 * @module
 */

/** How often each word is in the text; words are letters and digits, in lower case. */
export function countWords(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/** The text in pieces of some lines each; no word is cut. */
export function chunksOf(text: string, lines: number): string[] {
  const all = text.split("\n");
  const chunks: string[] = [];
  for (let i = 0; i < all.length; i += lines) chunks.push(all.slice(i, i + lines).join("\n"));
  return chunks;
}
