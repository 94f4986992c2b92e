/**
 * What is done when this process ends, however much of it there is: one listener for all.
 *
 * Above: launch.ts, worker.ts, pipe.ts. Below: child.ts, the system.
 *
 * @module
 */

import { onExit } from "../runtime.ts";
import { thread } from "./child.ts";

/** Does something when this process exits, which is synchronous; the returned function takes that back. */
export function atExit(action: () => void): () => void {
  if (!thread.atExit) {
    const actions = thread.atExit = new Set();
    onExit(() => actions.forEach((act) => act()));
  }
  const { atExit } = thread;
  atExit.add(action);
  return () => void atExit.delete(action);
}
