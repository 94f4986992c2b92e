/**
 * A parallel file hasher: a pool of workers computes the SHA-256 of each file of a folder. Only
 * paths and results travel; each worker reads its files itself.
 *
 * Without an argument it hashes a folder that it makes; with one, that folder.
 */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { Pool } from "../lib/process.ts"; // yours: from "@referent/manager/process"
import { type Hashed, tasks } from "./hash_tasks.ts";

const folder = process.argv[2] ?? await makeFolder();
const entries = await readdir(folder, { withFileTypes: true });
const paths = entries.filter((entry) => entry.isFile()).map(({ name }) => join(folder, name));

// In Deno a worker may do only what it must: it is told what it may read.
const permissions = "Deno" in globalThis ? [`--allow-read=${folder}`] : undefined;
const pool = new Pool(2, { permissions });
try {
  const hashed: Hashed[] = [];
  // In the order in which they are done. A bar on the terminal tells how far it is.
  for await (const file of pool.imapUnordered(tasks.hashFile, paths, { progress: true })) {
    hashed.push(file);
  }
  hashed.sort((a, b) => a.path < b.path ? -1 : 1);
  for (const { path, sha256 } of hashed) {
    console.log(`${sha256.slice(0, 16)}...  ${relative(folder, path)}`);
  }
  console.log(hashed.reduce((sum, { bytes }) => sum + bytes, 0), "bytes");

  // A task that throws fails its call, with the very error.
  const missing = join(folder, "missing.txt");
  await pool.apply(tasks.hashFile, [missing]).catch((error) => console.log(error.code));
} finally {
  await pool.terminate(); // or close() and join(), to have the rest finished
  if (folder !== process.argv[2]) await rm(folder, { recursive: true });
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hasher-"));
  for (let n = 1; n <= 6; n++) {
    await writeFile(join(folder, `part_${n}.txt`), `part ${n}\n`.repeat(n * 10_000));
  }
  return folder;
}
// Prints:
// 40b89e4b534e94e5...  part_1.txt
// f855e619ca939ffa...  part_2.txt
// 5f0075f46ecf77d3...  part_3.txt
// 632bda46c535ee66...  part_4.txt
// ac63d75e80b376cb...  part_5.txt
// 00c332fcca96b02d...  part_6.txt
// 1470000 bytes
// ENOENT
