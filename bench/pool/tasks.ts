/**
 * The task of our pools.
 *
 * Above: bench/pool.ts. Below: the library's `defineTasks`.
 *
 * @module
 */

import { defineTasks } from "../../lib/process.ts";

export const tasks = defineTasks(import.meta.url, { square: (x: number) => x * x });
