/**
 * One worker of the demo. The main program starts this script three times: in Deno, in Bun and in
 * Node. It knows nothing but the names under which the objects are published.
 *
 * @module
 */
// Your own code imports from "@referent/manager".
import { type DictProxy, type ListProxy, Manager, type RemoteOf, type TypesOf } from "../../mod.ts";
import { countWords } from "./words.ts";

/** Only the types of the class: its code runs in the server. */
type Types = TypesOf<typeof import("./types.ts").default>;

const name = "Deno" in globalThis ? "Deno" : "Bun" in globalThis ? "Bun" : "Node";
const manager = await Manager.connect(); // address and authkey are in the environment
const counts = await find<DictProxy<string, number>>("counts");
const chunks = await find<ListProxy<DictProxy<string, string>>>("chunks");
const team = await find<RemoteOf<Types, "Team">>("team");

await team.join(name);
for (;;) {
  const chunk = await chunks.shift(); // the proxy of one dict, and nobody else gets the same
  if (chunk === undefined) break;
  const words = countWords(await chunk.get("text") ?? "");
  // Each increment is atomic in the server, and all of them travel together.
  await Promise.all([...words].map(([word, count]) => counts.increment(word, count)));
  await chunk.set("counted by", name);
  await team.finished(name);
}
await manager.close();

async function find<P>(name: string): Promise<P> {
  const proxy = await manager.lookup<P>(name);
  if (proxy === undefined) throw new Error(`Nothing is published as "${name}"`);
  return proxy;
}
