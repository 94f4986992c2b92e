/** What the other processes of 17_process.ts run. */
import { type DictProxy, type ListProxy, Manager } from "../mod.ts"; // yours: from "@referent/manager"

/** Counts the words, and gives a new list of the different ones. */
export async function count(
  text: string,
  counts: DictProxy<string, number>,
): Promise<ListProxy<string>> {
  if (text === "") throw new RangeError("There is nothing to count");
  const words = text.split(" ");
  for (const word of words) await counts.increment(word);
  const manager = await Manager.connect(); // that of `counts`
  return await manager.list([...new Set(words)]);
}

/** Waits for a word that nobody counts. */
export async function waitForever(counts: DictProxy<string, number>): Promise<void> {
  while (!await counts.has("godot")) await new Promise((resolve) => setTimeout(resolve, 1000));
}
