/**
 * Pipes by type: what each end sends and receives. Checked, never run.
 *
 * @module
 */

import type { ListProxy } from "../../mod.ts";
import { type Connection, Pipe, type PipeOptions } from "../../lib/process.ts";
import type { Equal, Expect } from "./expect.ts";
import { a } from "./expect.ts";

export async function endsAreMirrorImages(): Promise<unknown> {
  const options: PipeOptions = { duplex: true, maxSize: 3 };
  const [numbers, texts] = await Pipe<number, string>();
  const [same, other] = await Pipe<ListProxy<number>>({ maxSize: 1 });
  const [reader, writer] = await Pipe<number>({ duplex: false });
  const [unknown] = await Pipe();

  const text = await numbers.receive({ timeout: 1, signal: new AbortController().signal });
  const list = await other.receive();
  const ready = await reader.poll({ timeout: 5 });
  for await (const value of texts) await texts.send(String(value));
  await numbers.send(1, { timeout: 5 });
  await writer.send(1);
  await unknown.send(options);

  // @ts-expect-error: it sends numbers
  await numbers.send("1");
  // @ts-expect-error: it only receives
  await reader.send(1);
  // @ts-expect-error: Python's spelling
  await Pipe({ maxsize: 1 });
  // @ts-expect-error: it is an option
  await Pipe(false);

  return a<[
    Expect<Equal<typeof numbers, Connection<number, string>>>,
    Expect<Equal<typeof texts, Connection<string, number>>>,
    Expect<Equal<typeof same, Connection<ListProxy<number>, ListProxy<number>>>>,
    Expect<Equal<typeof writer, Connection<number, never>>>,
    Expect<Equal<typeof reader, Connection<never, number>>>,
    Expect<Equal<typeof unknown, Connection<unknown, unknown>>>,
    Expect<Equal<typeof text, string>>,
    Expect<Equal<typeof list, ListProxy<number>>>,
    Expect<Equal<typeof ready, boolean>>,
  ]>();
}

export function anEndIsAcceptedWhereLessIsAskedOf(
  connection: Connection<string | number, 1>,
): Connection<string, number> {
  return connection;
}
