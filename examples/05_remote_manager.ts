/**
 * A remote manager: one program hosts the server on TCP, another one on any machine joins it with the
 * address and the authkey. Python: `get_server().serve_forever()` and `connect()`.
 *
 * TCP without TLS is for this machine only: between machines use a `tls://` address.
 */
import { Manager, str } from "../mod.ts"; // yours: from "@referent/manager"

// The program that hosts. Port 0: any free one.
const authkey = "abracadabra, sixteen bytes or more";
const server = await Manager.serve({ address: "tcp://127.0.0.1:0", authkey });

// The program that joins; it may run in another runtime.
const manager = await Manager.connect({ address: server.address, authkey });
const greetings = await manager.named("greetings").list<string>();
await greetings.push("hello");
console.log(await str(greetings));
await manager.close();

// Another one, later: the name has kept the list.
const later = await Manager.connect({ address: server.address, authkey });
console.log(await str(await later.named("greetings").list()));
await later.close();

// Without the authkey nobody comes in.
await Manager.connect({ address: server.address, authkey: "open, sesame! open, sesame!" })
  .catch((error) => console.log(String(error)));

await server.close();
console.log((await server.closed).by);
// Prints:
// ['hello']
// ['hello']
// AuthenticationError: The server refused the authkey: pass the manager's own `env` or the same `authkey`
// close
