/**
 * The program of a child: joins its parent, which then says what to run. Of a script it runs ahead;
 * a worker and an exported function have no other program. Ends with the parent, unless detached. Not
 * for users.
 *
 * Above: whoever launches it. Below: host.ts, turns.ts, server/server.ts.
 *
 * @module
 */

import { isMainThread } from "node:worker_threads";
import { defaultLimits, resolveLimits } from "../limits.ts";
import { childEntry, exitProcess, isProgram, runtimeName, writeStderr } from "../runtime.ts";
import { ObjectServer } from "../server/server.ts";
import { connect, type Transport } from "../wire/transport.ts";
import { messagePack } from "../wire/serializer.ts";
import { Host } from "./host.ts";
import { type Invitation, takeInvitation } from "./invitation.ts";
import { Turns } from "./turns.ts";

/**
 * Milliseconds that the parent may be busy before it answers. Its end alone does not end the wait:
 * Deno's children inherit the socket at which they wait, so it may be theirs by then.
 */
const patience = 20_000;

const invitation = takeInvitation();
if (invitation) await serveParent(invitation);
else if (isProgram(childEntry())) {
  writeStderr("This program of @referent/manager is started by a Process or a Pool, not by hand\n");
  exitProcess(2);
}

/** The parent is the one client of a server of this child's own, on a socket of the parent's. */
async function serveParent({ address, authkey }: Invitation): Promise<void> {
  const loaded = modulesLoaded();
  const host = new Host(loaded);
  const server = new ObjectServer({
    authkey,
    serializer: messagePack,
    limits: resolveLimits({
      maxMessageBytes: Infinity,
      maxRunningCalls: Infinity,
      handshakeTimeout: patience,
    }),
    types: host.types,
    errors: host.errors,
    shutdownTimeout: 0,
    idleTimeout: 0, // it ends with its one session
  });
  const transport = await connect(address, { timeout: defaultLimits.handshakeTimeout });
  const turns = new Turns(transport);
  listenIn(transport, { data: () => turns.began(), close: () => host.parentLeft() });
  host.whenSent = (goOn) => turns.whenSent(goOn);
  server.accept(transport);
  // Only the parent's word, or its end, makes this go on.
  await host.begun;
  // Deno goes on to the modules only when nothing keeps it here. A script, and a function that has
  // returned, end by themselves; the connection is there to see the parent's end.
  transport.unref();
  if (host.isScript) return;
  loaded.then(() => transport.ref());
  host.finished.then(() => transport.unref());
}

/** The server tells nobody what comes, and only of an end that comes after the handshake. */
function listenIn(transport: Transport, told: { data(): void; close(): void }): void {
  const start = transport.start.bind(transport);
  transport.start = (receiver) =>
    start({
      data: (chunk) => {
        told.data();
        receiver.data(chunk);
      },
      drain: () => receiver.drain(),
      close: (error) => {
        receiver.close(error);
        told.close();
      },
    });
}

/**
 * Deno loads the parent's modules between this one and the program, which is this one again: then
 * they need no permission to be read, and before that they cannot be imported.
 */
function modulesLoaded(): Promise<void> {
  if (runtimeName !== "deno" || !isMainThread) return Promise.resolve();
  return new Promise((resolve) => {
    (globalThis as unknown as EventTarget).addEventListener("load", () => resolve());
  });
}
