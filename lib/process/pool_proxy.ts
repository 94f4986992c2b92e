/**
 * The interface of the proxy of a pool in the server, and its options.
 *
 * Above: users, remote.ts, proxies/pool.ts. Below: tasks.ts.
 *
 * @module
 */

import type { WaitOptions } from "../objects/waiting.ts";
import type { ProxyBase } from "../objects/proxy_base.ts";
import type { RemoteIterator } from "../remote.ts";
import type { RuntimeName } from "../runtime.ts";
import type { Initializer } from "../server/config.ts";
import type { TaskOptions } from "./pool_options.ts";
import type { Task, TaskFunction } from "./tasks.ts";

/** Options of `manager.pool()`: those of a `Pool` that a client may choose. */
export interface SharedPoolOptions {
  /** Runs once in each worker before its first task. It is one of the server's `tasks` itself. */
  initializer?: Initializer;
  /** After so many tasks a worker is replaced by a fresh one. Python: `maxtasksperchild`. */
  maxTasksPerChild?: number;
  /** The runtime of the workers, or several, which take turns. Default: the one of the server. */
  runtime?: RuntimeName | readonly RuntimeName[];
  /** Milliseconds until a worker must be ready. Default 10 000. */
  startTimeout?: number;
}

/** Options of one call of a shared pool with many tasks. */
export interface SharedMapOptions extends TaskOptions {
  /** How many tasks travel to a worker together. Default: as many as take some 20 ms. Python: `chunksize`. */
  chunkSize?: number;
}

/**
 * The proxy of a pool whose workers the server has: all who share it share them. It runs the tasks of
 * the modules that the server's starter named in `tasks`. Python: the pool of a `SyncManager`.
 */
export interface PoolProxy extends ProxyBase {
  /** The most workers at a time. */
  size(): Promise<number>;
  /**
   * Runs one task. Rejects with what it threw; with NotExposedError if its module is not among the
   * server's `tasks`, and WorkerLostError if its worker died. Python: `apply`.
   */
  apply<F extends TaskFunction>(
    task: Task<F>,
    args?: Readonly<Parameters<F>> | readonly [],
    options?: TaskOptions,
  ): Promise<Awaited<ReturnType<F>>>;
  /**
   * Runs a task with each item; resolves to the results in order. The items travel in one message. All
   * tasks are run, also if one fails: then it rejects with the error of the first that failed. Python:
   * `map`.
   */
  map<A, R>(
    task: Task<(item: A) => R>,
    items: Iterable<A> | AsyncIterable<A>,
    options?: SharedMapOptions,
  ): Promise<Awaited<R>[]>;
  /** As `map`, with an array of arguments an item. Python: `starmap`. */
  starmap<F extends TaskFunction>(
    task: Task<F>,
    items: Iterable<Readonly<Parameters<F>>> | AsyncIterable<Readonly<Parameters<F>>>,
    options?: SharedMapOptions,
  ): Promise<Awaited<ReturnType<F>>[]>;
  /**
   * Runs a task with each item and gives the results in order, as they are taken: `for await (const r
   * of await pool.imap(task, items))`. An array travels in one message; of anything else the server
   * reads only some items ahead. The tasks begin at once. One that fails ends the iteration with its error; ending it early
   * cancels what runs. Python: `imap`.
   */
  imap<A, R>(
    task: Task<(item: A) => R>,
    items: Iterable<A> | AsyncIterable<A>,
    options?: SharedMapOptions,
  ): Promise<RemoteIterator<Awaited<R>>>;
  /** As `imap`, with the results as they come. Python: `imap_unordered`. */
  imapUnordered<A, R>(
    task: Task<(item: A) => R>,
    items: Iterable<A> | AsyncIterable<A>,
    options?: SharedMapOptions,
  ): Promise<RemoteIterator<Awaited<R>>>;
  /** Takes no more calls, of anybody; the workers end when those that it has are finished. */
  close(): Promise<void>;
  /** Rejects the calls of everybody with WorkerLostError and ends the workers; resolves when they are gone. */
  terminate(): Promise<void>;
  /** Waits until all workers have ended, after `close` or `terminate`. */
  join(options?: WaitOptions): Promise<void>;
}
