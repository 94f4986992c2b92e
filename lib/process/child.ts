/**
 * The only module state of the library: what this process was started with, and what lives in this
 * thread - the servers in memory, and the client that everybody who joins by the environment shares.
 *
 * Above: manager.ts, server/main.ts. Below: nothing that runs.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { Client } from "../client/client.ts";
import type { ConnectOptions } from "../manager/options.ts";
import type { ObjectServer } from "../server/server.ts";
import type { ProgressBars } from "./progress.ts";

/** A client that several managers of this thread use. */
export interface SharedClient {
  readonly client: Promise<Client>;
  /** How many managers use it; the last one closes it. */
  users: number;
  /** The options that it was made with, for those who want others. */
  readonly options: ConnectOptions;
}

/** A server in this thread, and what it takes to join it. */
export interface MemoryServer {
  readonly server: ObjectServer;
  readonly authkey: Uint8Array;
}

/** What lives in this thread. */
export const thread: {
  /** Of a server process: it listens, and so has imported all modules of users. */
  listening: boolean;
  /** Of a child of a `Process` or a `Pool`: how it joins its manager. */
  environment: Readonly<Record<string, string>> | undefined;
  /**
   * Of a worker, or of a child that runs a function: what runs outside of a task is the import of a
   * module, which must not start children that import it, too. Undefined until that is known.
   */
  importsOnly: boolean | undefined;
  /** Of a script of a `Process`: its arguments. */
  processArgs: (() => Promise<unknown>) | undefined;
  /** What is done when this process exits: at_exit.ts. */
  atExit: Set<() => void> | undefined;
  /** The progress bars on this process's stderr, whichever pools they are of. */
  progressBars: ProgressBars | undefined;
  /** Tells the running task that nobody waits for it any more. */
  readonly cancellation: AsyncLocalStorage<{ readonly signal: AbortSignal }>;
  /** By address. */
  readonly sharedClients: Map<string, SharedClient>;
  /** By address. */
  readonly memoryServers: Map<string, MemoryServer>;
  nextMemoryServer: number;
} = {
  listening: false,
  environment: undefined,
  importsOnly: undefined,
  processArgs: undefined,
  atExit: undefined,
  progressBars: undefined,
  cancellation: new AsyncLocalStorage(),
  sharedClients: new Map(),
  memoryServers: new Map(),
  nextMemoryServer: 1,
};
