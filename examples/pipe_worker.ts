/** What the other process of 18_pipe.ts runs. */
import type { Connection } from "../lib/process.ts"; // yours: from "@referent/manager/process"

export async function square(connection: Connection<string, number>): Promise<number> {
  let count = 0;
  for await (const n of connection) { // until the other end is closed
    await connection.send(`${n} squared is ${n * n}`);
    count++;
  }
  return count;
}
