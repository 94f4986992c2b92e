/**
 * The program of the server process: reads its configuration from stdin, listens, says so on stdout,
 * and ends with its starter, on a signal, or when a client shuts it down. Not for users.
 *
 * Every start waits for what this file imports: it is what it takes to listen. The server itself,
 * program.ts, is loaded when somebody comes, while the starter goes on already. What users wrote is
 * imported before anybody may come: it may fail, and may start managers by mistake.
 *
 * Above: whoever spawns it. Below: transport.ts, program.ts.
 *
 * @module
 */

import {
  announce,
  dropUnreadOutput,
  exitProcess,
  onServerSignals,
  readConfig,
  writeStderr,
} from "../runtime.ts";
import { listen } from "../wire/transport.ts";
import type { ServerConfig } from "./config.ts";
import type { ServerProgram } from "./program.ts";

const { line, ended } = await readConfig();
const config: ServerConfig = JSON.parse(line);
let importing = true;
let ready = false;
// Nobody waits for it any more, and it has made nothing yet.
if (!config.detached) ended.then(() => importing && exitProcess(1));
try {
  const hasCodeOfUsers = config.modules.length > 0 || config.initializer !== undefined;
  const early = hasCodeOfUsers ? await load() : undefined;
  importing = false;
  let need!: () => void;
  const needed = new Promise<void>((resolve) => need = resolve);
  let isFirst = true;
  const { address, tls, makeDirectory } = config;
  const listening = listen(address, {
    ...{ tls, makeDirectory },
    accept: (transport) => {
      const first = isFirst;
      isFirst = false;
      use(({ server }) => server.accept(transport, first));
    },
  }).then((listener) => ({ listener, since: performance.now() }));
  const serving = Promise.resolve(early ?? needed.then(load)).then(async (program) => {
    const { listener, since } = await listening;
    program.serve(listener, since);
    return program;
  });
  serving.catch(() => {}); // it is awaited below
  const use = (action: (program: ServerProgram) => void) => {
    need();
    serving.then(action, () => {});
  };
  const { listener } = await listening;
  onServerSignals({
    terminate: () => use((program) => program.end("it received a signal to end")),
  });
  ready = true;
  announce(config.nonce, { address: listener.address });
  dropUnreadOutput();
  ended.then(() => use((program) => program.starterLeft()));
  const { server } = await serving;
  await server.closed;
  exitProcess(0);
} catch (error) {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  if (!ready) await announce(config.nonce, { error: { name, message, stack } });
  writeStderr(`${stack}\n`);
  exitProcess(1);
}

async function load(): Promise<ServerProgram> {
  const { ServerProgram } = await import("./program.ts");
  return await ServerProgram.load(config);
}
