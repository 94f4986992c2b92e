/**
 * What the workers of 19_file_hasher.ts run. They import this module, so it holds only definitions.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { defineTasks, type Tasks } from "../lib/process.ts"; // yours: from "@referent/manager/process"

/** What is known of one file. */
export interface Hashed {
  path: string;
  bytes: number;
  sha256: string;
}

/** Reads the file piece by piece, so that it may be larger than the memory. */
async function hashFile(path: string): Promise<Hashed> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of createReadStream(path)) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { path, bytes, sha256: hash.digest("hex") };
}

export const tasks: Tasks<{ hashFile: typeof hashFile }> = defineTasks(import.meta.url, {
  hashFile,
});
