/**
 * The typeid `pool`, for one server: which modules its pools may run tasks of, and the pools that have
 * workers, which end with it. What makes pools is loaded only when one is made.
 *
 * Above: server/main.ts, manager/serve.ts. Below: shared_pool.ts.
 *
 * @module
 */

import { NotExposedError } from "../errors.ts";
import type { Definition } from "../objects/definition.ts";
import type { LocalOwner } from "../server/local.ts";
import type { Pool } from "./pool.ts";
import type { SharedPool } from "./shared_pool.ts";

/** What the starter of a server says of its pools. */
export interface SharedPoolSettings {
  /** URLs of the modules whose tasks may be run. The server itself never imports them. */
  readonly tasks: readonly string[];
  /** Permissions of Deno workers beside the least. */
  readonly permissions?: "all" | readonly string[] | undefined;
}

/** The name of the typeid. */
export const poolTypeid = "pool";

/** The pools of one server. */
export class SharedPools {
  readonly definition: Definition;
  /** Pools that may have workers. */
  readonly live: Set<Pool> = new Set();
  readonly settings: SharedPoolSettings;
  readonly #owner: () => LocalOwner;

  /** `owner` gives the server's own side, which is there when the first pool is made. */
  constructor(settings: SharedPoolSettings, owner: () => LocalOwner) {
    this.settings = settings;
    this.#owner = owner;
    this.definition = {
      create: (...args) => this.#create(args),
      exposed: [
        ...["apply", "map", "starmap", "imap", "imapUnordered", "_feed"],
        ...["size", "close", "terminate", "join"],
      ],
      proxyName: "PoolProxy",
      caller: ["apply", "map", "starmap", "imap", "imapUnordered", "_feed"],
      waits: { join: 0 },
      iterables: { map: [1], starmap: [1], imap: [1], imapUnordered: [1] },
      unheld: (referent: SharedPool) => referent.rest(),
      describe: (referent: SharedPool) => ({ pool: referent.describe() }),
    };
  }

  /** Who owns the proxies in what the tasks are given, and give. */
  get owner(): LocalOwner {
    return this.#owner();
  }

  /**
   * Refuses a module that the starter did not name.
   *
   * @throws {NotExposedError} It may not be imported.
   */
  check(module: unknown, what: string): void {
    const { tasks } = this.settings;
    if (tasks.includes(module as string)) return;
    const named = tasks.map((url) => `"${url}"`).join(", ");
    throw new NotExposedError(
      `Cannot run ${what} of the module "${module}": this server's pools run only tasks of ${named}; name it at the start, as in Manager.start({ tasks: [tasks] })`,
    );
  }

  /** Ends all workers. */
  async end(): Promise<void> {
    await Promise.all([...this.live].map((pool) => pool.terminate()));
  }

  async #create(args: unknown[]): Promise<object> {
    if (this.settings.tasks.length === 0) {
      throw new NotExposedError(
        "Cannot make a pool: this server runs no tasks; name them at its start, as in Manager.start({ tasks: [tasks] })",
      );
    }
    const { SharedPool } = await import("./shared_pool.ts");
    return new SharedPool(this, args);
  }
}
