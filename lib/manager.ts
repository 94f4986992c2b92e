/**
 * Managers: what a user holds. This file puts the parts together: it starts, hosts or joins a server
 * and gives the creation methods of its typeids.
 *
 * Above: users. Below: manager/, client/, server/.
 *
 * @module
 */

import type { ManagerMembers } from "./manager/facade.ts";
import { serve, serveInMemory, type Server } from "./manager/serve.ts";
import { connect } from "./manager/connect.ts";
import { open } from "./manager/open.ts";
import { start } from "./manager/start.ts";
import type {
  ConnectOptions,
  LocalOptions,
  OpenOptions,
  ServeOptions,
  StartOptions,
  TypesOption,
} from "./manager/options.ts";
import type { BuiltinCreators, Creators, TypesOf } from "./remote.ts";

/**
 * A manager: its members, and a creation method for every typeid of its server. `T` are the user's
 * definitions, as `TypesOf` gives them. Python: `SyncManager`.
 */
// deno-lint-ignore ban-types
export type Manager<T = {}> = ManagerMembers<T> & BuiltinCreators & Creators<T>;

/** The manager of what `defineTypes` returned: `ManagerOf<typeof types>`. */
export type ManagerOf<S> = Manager<TypesOf<S>>;

/** The entry functions; see {@linkcode Manager}. */
export interface ManagerConstructor {
  /**
   * Starts a server in a process of its own, and resolves once it listens: what is called at once
   * waits until the server has loaded the rest. The server ends with this process. Python:
   * `multiprocessing.Manager()`.
   *
   * Rejects with ProcessError - exit code, end of stderr, cause - if the server does not start within
   * `startTimeout`.
   *
   * @example
   * ```ts
   * import { Manager, str } from "@referent/manager";
   *
   * const manager = await Manager.start();
   * try {
   *   const list = await manager.list([1, 2]);
   *   await list.push(3);
   *   console.log(await str(list)); // [1, 2, 3]
   * } finally {
   *   await manager.shutdown();
   * }
   * ```
   */
  start<const S extends TypesOption = []>(options?: StartOptions<S>): Promise<ManagerOf<S>>;
  /**
   * Joins a running server. What is not given is taken from `env`, by default the environment:
   * `REFERENT_ADDRESS`, `REFERENT_AUTHKEY`, `REFERENT_SERIALIZER`, `REFERENT_TLS_CA`. Without an
   * `address` all managers of a thread use the same client. A refused or full socket is tried again
   * until `startTimeout`. Python: `BaseManager.connect()`.
   *
   * Rejects with ConnectionClosedError if nobody listens, AuthenticationError for another authkey,
   * ProtocolError for another serializer, and UnknownObjectError or NotExposedError if the server
   * lacks one of the `types`.
   *
   * @example
   * ```ts
   * import { Manager } from "@referent/manager";
   *
   * const manager = await Manager.start();
   * const other = await Manager.connect({ env: manager.env }); // usually in another process
   * const hits = await other.named("hits").dict<string, number>();
   * console.log(await hits.increment("/")); // 1
   * await other.close();
   * await manager.shutdown();
   * ```
   */
  connect<const S extends TypesOption>(
    options: ConnectOptions<S> & { types: S },
  ): Promise<ManagerOf<S>>;
  /** Joins a server whose types are known only as types: `connect<TypesOf<typeof import("./types.ts").default>>()`. */
  connect<T = TypesOf<[]>>(options?: ConnectOptions & { types?: undefined }): Promise<Manager<T>>;
  /**
   * Joins this user's manager of that name, or starts it: of all that call it at once exactly one
   * does. Its server outlives this process; it ends `idleTimeout` milliseconds (default 60 000) after
   * its last session. `close()` ends the session, `shutdown()` the server. It lives in
   * `/tmp/referent-<uid>/<name>`, or in `<REFERENT_DIR>/<name>`; what the server prints goes to
   * `server.log` there.
   *
   * Rejects with TypeError for a name that is not 1 to 64 letters, digits, ".", "_" and "-",
   * TimeoutError after `startTimeout`, ProcessError if the server does not start, ProtocolError if it
   * is of another release, and UnknownObjectError or NotExposedError if one that ran already lacks one
   * of the `types`.
   *
   * @example
   * ```ts
   * import { Manager } from "@referent/manager";
   *
   * const first = await Manager.open("cache");
   * const second = await Manager.open("cache"); // usually in another process
   * console.log(first.address === second.address); // true
   * await first.close();
   * await second.shutdown();
   * ```
   */
  open<const S extends TypesOption = []>(
    name: string,
    options?: OpenOptions<S>,
  ): Promise<ManagerOf<S>>;
  /**
   * Hosts a server in this process; it keeps the process alive until it is closed. Python:
   * `BaseManager.get_server()`.
   *
   * Rejects with TypeError for a bad address, and ManagerError if nobody can listen there.
   *
   * @example
   * ```ts
   * import { Manager } from "@referent/manager";
   *
   * const authkey = "sixteen bytes or more";
   * const server = await Manager.serve({ address: "tcp://127.0.0.1:0", authkey });
   * const manager = await Manager.connect({ address: server.address, authkey });
   * console.log(await (await manager.list([1])).length()); // 1
   * await manager.close();
   * await server.close();
   * ```
   */
  serve(options?: ServeOptions): Promise<Server>;
  /**
   * The same API without a process and without a socket: values still cross the serializer, types go
   * through the same checks. For tests and tools.
   *
   * @example
   * ```ts
   * import { Manager } from "@referent/manager";
   *
   * const manager = await Manager.local();
   * const dict = await manager.dict({ a: 1 });
   * console.log(await dict.get("a")); // 1
   * await manager.shutdown();
   * ```
   */
  local<const S extends TypesOption = []>(options?: LocalOptions<S>): Promise<ManagerOf<S>>;
}

/** Starts, joins or hosts servers of shared objects. Python: `multiprocessing.managers`. */
export const Manager: ManagerConstructor = {
  // The creation methods of a facade are properties that its server's typeids decide.
  start: start as unknown as ManagerConstructor["start"],
  connect: connect as unknown as ManagerConstructor["connect"],
  open: open as unknown as ManagerConstructor["open"],
  serve,
  local: serveInMemory as unknown as ManagerConstructor["local"],
};
