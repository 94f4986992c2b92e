/**
 * A pool in the server: the referent that clients share by proxy. Tasks come as the names of a module
 * and a function, of modules that the server's starter named; what they throw goes on as data.
 *
 * Above: shared_pools.ts. Below: pool.ts, results.ts.
 *
 * @module
 */

import { show } from "../call_options.ts";
import { LimitExceededError, TimeoutError } from "../errors.ts";
import type { ManagerMembers } from "../manager/facade.ts";
import { optionsOf } from "../objects/arguments.ts";
import { Queue } from "../objects/queue.ts";
import { lateText, Wait, type WaitingCaller } from "../objects/waiting.ts";
import type { Caller } from "../remote.ts";
import { runtimeName } from "../runtime.ts";
import type { Cursor } from "../server/cursor.ts";
import type { Items } from "./input.ts";
import { Pool } from "./pool.ts";
import type { MapOptions, PoolOptions } from "./pool_options.ts";
import type { SharedPoolOptions } from "./pool_proxy.ts";
import { ResultCursor } from "./results.ts";
import type { SharedPools } from "./shared_pools.ts";
import { Task, type TaskFunction, TaskSet } from "./tasks.ts";

/** How a task travels. */
interface TaskName {
  readonly module: string;
  readonly name: string;
}

/** A task as the server's pool has it, which knows neither its arguments nor its result. */
type NamedTask = Task<TaskFunction>;

const optionNames = ["initializer", "maxTasksPerChild", "runtime", "startTimeout"];

/** Items of a feed that nobody has taken. */
const maxFedItems = 256;

/** One shared pool. Nobody's pool has no workers: they come again with the next call. */
export class SharedPool {
  readonly #pools: SharedPools;
  readonly #make: () => Pool;
  /** What clients feed their iterations with. */
  readonly #feeds = new WeakMap<object, Queue>();
  #pool: Pool;
  /** Some session, name or ticket has it. */
  #held = true;
  /** It was closed or terminated. */
  #over = false;

  /**
   * Starts no worker yet.
   *
   * @throws {RangeError | TypeError} As of a {@linkcode Pool}.
   */
  constructor(pools: SharedPools, args: readonly unknown[]) {
    if (args.length > 2) {
      throw new TypeError(`pool(workers, options) takes at most 2 arguments, got ${args.length}`);
    }
    const [workers, given] = args as [number | undefined, SharedPoolOptions | undefined];
    const { maxWorkers } = pools.owner.limits;
    if (workers !== undefined && workers > maxWorkers) {
      throw new LimitExceededError(
        `Cannot make a pool of ${workers} workers: the limit maxWorkers of this server is ${maxWorkers}`,
      );
    }
    const options = poolOptions(pools, given);
    this.#pools = pools;
    this.#make = () => new Pool(workers, options);
    this.#pool = this.#make();
  }

  // What clients call.

  async apply(
    task: TaskName,
    args: readonly unknown[],
    options: MapOptions,
    caller: Caller,
  ): Promise<unknown> {
    return await this.#run(caller, async (pool) => {
      if (!Array.isArray(args)) throw new TypeError(`apply() takes an array, got ${show(args)}`);
      return await pool.apply(this.#task(task), args, callOptions(options, caller));
    });
  }

  async map(
    task: TaskName,
    items: Items<unknown>,
    options: MapOptions,
    caller: Caller,
  ): Promise<unknown[]> {
    return await this.#run(caller, async (pool) => {
      return await pool.map(this.#task(task), atOnce(items), callOptions(options, caller));
    });
  }

  async starmap(
    task: TaskName,
    items: Items<unknown[]>,
    options: MapOptions,
    caller: Caller,
  ): Promise<unknown[]> {
    return await this.#run(caller, async (pool) => {
      return await pool.starmap(this.#task(task), atOnce(items), callOptions(options, caller));
    });
  }

  imap(task: TaskName, items: Items<unknown>, options: MapOptions, caller: Caller): Cursor {
    return this.#iterate("imap", task, items, options, caller);
  }

  imapUnordered(
    task: TaskName,
    items: Items<unknown>,
    options: MapOptions,
    caller: Caller,
  ): Cursor {
    return this.#iterate("imapUnordered", task, items, options, caller);
  }

  /** A queue for the items of one iteration that the client has not got yet. */
  _feed(caller: Caller): object {
    const queue = new Queue({ maxSize: maxFedItems });
    const proxy = caller.share(queue, "queue");
    this.#feeds.set(proxy, queue);
    return proxy;
  }

  size(): number {
    return this.#pool.size;
  }

  close(): void {
    this.#over = true;
    this.#retire();
  }

  async terminate(): Promise<void> {
    this.#over = true;
    await this.#pool.terminate();
    this.#pools.live.delete(this.#pool);
  }

  join(options: unknown, caller: WaitingCaller): Promise<void> {
    optionsOf(options, [], "pool.join()");
    const late = () => new TimeoutError(lateText(caller, "The end of the workers"));
    const wait = new Wait<void>(caller, late, (reason) => wait.reject(reason));
    this.#pool.join().then(() => wait.resolve(), (error) => wait.reject(error));
    return wait.promise;
  }

  // What the server asks.

  /** Nobody has it any more: its calls are finished, and then its workers end. */
  rest(): void {
    this.#held = false;
    if (this.#over || !this.#pools.live.has(this.#pool)) return;
    this.#retire();
    this.#pool = this.#make();
  }

  /** For `debugInfo()`. */
  describe(): Record<string, number> {
    return { size: this.#pool.size, ...Pool.describe(this.#pool) };
  }

  async #run<T>(caller: Caller, call: (pool: Pool) => Promise<T>): Promise<T> {
    this.#enter(caller);
    try {
      return await call(this.#pool);
    } finally {
      this.#leave();
    }
  }

  #iterate(
    name: "imap" | "imapUnordered",
    task: TaskName,
    items: Items<unknown>,
    options: MapOptions,
    caller: Caller,
  ): Cursor {
    const feed = this.#feeds.get(items);
    const source = feed ? items : atOnce(items);
    // Its session ends it; the call that began it is over before.
    const results = this.#pool[name](this.#task(task), source, callOptions(options));
    this.#enter(caller);
    return new ResultCursor(results, () => {
      feed?.shutdown({ immediate: true });
      this.#leave();
    });
  }

  /** Only who has it can call it, but for the server's own objects. */
  #enter({ id }: Caller): void {
    if (id !== "server") this.#held = true;
    if (!this.#over) this.#pools.live.add(this.#pool);
  }

  #leave(): void {
    if (!this.#held) this.rest();
  }

  /** Its workers end when they have nothing to do. */
  #retire(): void {
    const pool = this.#pool;
    pool.close();
    pool.join().then(() => this.#pools.live.delete(pool));
  }

  #task(given: TaskName): NamedTask {
    const { module, name } = given ?? {};
    this.#pools.check(module, `the task "${name}"`);
    return new Task<TaskFunction>(module, name, notHere, undefined);
  }
}

/** A client chooses what costs its server nothing but time; the rest is the starter's. */
function poolOptions(pools: SharedPools, given: SharedPoolOptions = {}): PoolOptions {
  optionsOf(given, optionNames, "manager.pool()");
  const { initializer, runtime } = given;
  const { tasks, permissions } = pools.settings;
  if (initializer) pools.check(initializer.module, "the initializer");
  for (const name of runtime === undefined ? [] : [runtime].flat()) {
    if (typeof name === "string") continue;
    throw new TypeError(`The option "runtime" of manager.pool() takes names, got ${show(name)}`);
  }
  const onlyDeno = [runtime ?? runtimeName].flat().every((name) => name === "deno");
  return {
    ...given,
    manager: pools.owner as unknown as ManagerMembers<unknown>,
    tasks: tasks.map((url) => new TaskSet(url, {})),
    ...(onlyDeno && permissions !== undefined ? { permissions } : {}),
  };
}

/** What travels, and who may cancel the call. */
function callOptions(given: MapOptions, caller?: Caller): MapOptions {
  const options: MapOptions = optionsOf(
    given,
    ["retries", "chunkSize", "timeout"],
    "A pool's call",
  );
  return caller ? { ...options, signal: caller.signal } : options;
}

/** What can be read now is read now, so that others may change it. */
function atOnce<T>(items: Items<T>): Items<T> {
  const isObject = typeof items === "object" && items !== null;
  return isObject && Symbol.iterator in items && !Array.isArray(items) ? [...items] : items;
}

function notHere(): never {
  throw new TypeError("A server does not run tasks itself: its workers do");
}
