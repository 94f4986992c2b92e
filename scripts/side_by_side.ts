/**
 * Several tasks at a time, and their output one after the other: what the first unfinished task
 * prints is shown at once, what those behind it print when their turn comes. So the output reads as
 * if they had run in order, and is never silent while something happens.
 *
 * Above: test.ts. Below: run.ts.
 *
 * @module
 */

import { type Print, toStdout } from "./run.ts";

/** Runs the tasks in their order, at most so many at a time; gives their results in that order. */
export async function sideBySide<T>(
  tasks: readonly ((print: Print) => Promise<T>)[],
  atATime: number,
  show: Print = toStdout,
): Promise<T[]> {
  const results: T[] = [];
  const kept = tasks.map(() => "");
  const over = new Set<number>();
  let next = 0;
  let shown = 0;
  const printer = (index: number): Print => (text) => {
    if (index === shown) show(text);
    else kept[index] += text;
  };
  const finish = (index: number) => {
    over.add(index);
    while (over.has(shown)) show(kept[++shown] ?? "");
  };
  const work = async () => {
    while (next < tasks.length) {
      const index = next++;
      results[index] = await tasks[index]!(printer(index));
      finish(index);
    }
  };
  await Promise.all(Array.from({ length: atATime }, work));
  return results;
}
