/**
 * What of a shared pool runs where its proxy is: a task becomes the names of its module and itself,
 * and what it threw becomes an error of its class again.
 *
 * Above: methods.ts. Below: call.ts, feed.ts, process/tasks.ts.
 *
 * @module
 */

import { type CallOptions, checkObject, mergeOptions, show } from "../call_options.ts";
import { rebuildException } from "../exceptions.ts";
import type { QueueProxy } from "../objects/queue_proxy.ts";
import { checkArguments, type Items } from "../process/input.ts";
import { checkTaskOptions, type MapOptions } from "../process/pool_options.ts";
import { Task } from "../process/tasks.ts";
import type { RemoteIterator } from "../remote.ts";
import { stateOf } from "../proxy_state.ts";
import { withRoot } from "../wire/serializer.ts";
import { ask, askByName, methodIndex, required } from "./call.ts";
import { Feed } from "./feed.ts";
import type { LocalMethods } from "./lock.ts";

const optionNames = ["timeout", "signal", "retries", "chunkSize"];

/** The methods of a pool that run where its proxy is. */
export const poolMethods: LocalMethods = {
  async apply(task: Task, args: readonly unknown[] = [], options: MapOptions = {}) {
    checkArguments("apply", args);
    return await collect(this, "apply", task, args, options);
  },
  async map(task: Task, items: Items<unknown>, options: MapOptions = {}) {
    return await collect(this, "map", task, items, options);
  },
  async starmap(task: Task, items: Items<unknown>, options: MapOptions = {}) {
    return await collect(this, "starmap", task, items, options);
  },
  async imap(task: Task, items: Items<unknown>, options: MapOptions = {}) {
    return await Results.begin(this, "imap", task, items, options);
  },
  async imapUnordered(task: Task, items: Items<unknown>, options: MapOptions = {}) {
    return await Results.begin(this, "imapUnordered", task, items, options);
  },
  // deno-lint-ignore require-await -- a rejection, not an exception
  async actor() {
    throw new TypeError(
      "A shared pool makes no actors: one could be used only in the server. Make it with a Pool of this process, or define its class as a typeid",
    );
  },
};

/** Asks for all results; the client decides about timeout and signal. */
async function collect(
  proxy: object,
  name: string,
  task: Task,
  items: Items<unknown>,
  options: MapOptions,
): Promise<unknown> {
  const { timeout, signal, ...rest } = checked(task, options);
  // What can be sent at once keeps its place among the calls of this client.
  const sent = isSendable(items) ? items : await allOf(items);
  try {
    return await request(proxy, name, [nameOf(task), sent, rest], { timeout, signal });
  } catch (error) {
    throw rebuilt(error, task);
  }
}

/** The arguments are a task, its items, and options. */
async function request(
  proxy: object,
  name: string,
  args: unknown[],
  options: CallOptions,
): Promise<unknown> {
  const { held: { table } } = required(proxy, `call "${name}"`);
  try {
    return await ask(proxy, methodIndex(table, name), args, name, options);
  } catch (error) {
    throw withRoot(error, name === "apply" ? "args" : "items", "args[1]");
  }
}

function checked(task: unknown, options: MapOptions): MapOptions {
  if (!Task.is(task)) {
    throw new TypeError(
      `A pool runs what defineTasks() gave, such as \`tasks.square\`, got ${show(task)}`,
    );
  }
  checkObject(options, "{ timeout, signal }");
  for (const name of Object.keys(options)) {
    if (optionNames.includes(name)) continue;
    const cure = name === "onProgress" || name === "progress"
      ? ", a callback of this process: count what imap() gives, or use a Pool of this process"
      : "";
    throw new TypeError(
      `A shared pool has no option "${name}"${cure}; it takes ${optionNames.join(", ")}`,
    );
  }
  checkTaskOptions(options);
  return options;
}

function nameOf({ module, name }: Task): { module: string; name: string } {
  return { module, name };
}

/** What a task threw comes as data in the error that the server sends. */
function rebuilt(error: unknown, task: Task): unknown {
  if (!(error instanceof Error) || !Object.hasOwn(error, "taskException")) return error;
  const { taskException } = error as Error & { taskException: unknown };
  const known = Task.errorsOf(task) ?? new Map();
  return rebuildException(taskException, known, { typeid: "task", method: task.name });
}

/** Whether the items can be sent as they are: an array, or a proxy. */
function isSendable(items: unknown): boolean {
  return Array.isArray(items) || stateOf(items) !== undefined;
}

async function allOf(items: Items<unknown>): Promise<unknown[]> {
  checkIterable(items);
  const all: unknown[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function checkIterable(items: Items<unknown>): void {
  const given: object = Object(items);
  if (Symbol.iterator in given || Symbol.asyncIterator in given) return;
  throw new TypeError(`A pool takes its items from an iterable or a proxy, got ${show(items)}`);
}

/** Where the items of an iteration come from that cannot be sent at once. */
async function feedOf(proxy: object, items: Items<unknown>): Promise<Feed> {
  checkIterable(items);
  return new Feed(items, await askByName(proxy, "_feed", []) as QueueProxy<unknown>);
}

/** The results of an iteration. */
class Results implements RemoteIterator<unknown> {
  readonly #task: Task;
  readonly #results: RemoteIterator<unknown>;
  readonly #feed: Feed | undefined;
  readonly #stopListening: () => void;
  /** Why nothing more comes, until that was told. */
  #abort: { readonly reason: unknown } | undefined;

  static async begin(
    proxy: object,
    name: string,
    task: Task,
    items: Items<unknown>,
    options: MapOptions,
  ): Promise<Results> {
    const { timeout, signal, ...rest } = checked(task, options);
    const own = mergeOptions(required(proxy, `call "${name}"`).options, { timeout, signal })!;
    const feed = isSendable(items) ? undefined : await feedOf(proxy, items);
    // The time is for all results, and so the server's to watch.
    const sent = own.timeout === undefined || own.timeout === Infinity
      ? rest
      : { ...rest, timeout: own.timeout };
    try {
      const results = await request(proxy, name, [nameOf(task), feed?.queue ?? items, sent], {
        timeout: Infinity,
        signal: own.signal,
      });
      return new Results(task, results as RemoteIterator<unknown>, feed, own.signal);
    } catch (error) {
      feed?.close();
      throw error;
    }
  }

  constructor(
    task: Task,
    results: RemoteIterator<unknown>,
    feed: Feed | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#task = task;
    this.#results = results;
    this.#feed = feed;
    // Also when nobody asks for a result just then.
    const cancel = () => {
      this.#abort = { reason: signal!.reason };
      results.return().catch(() => {}); // who asks for the next result is told
    };
    signal?.addEventListener("abort", cancel, { once: true });
    this.#stopListening = () => signal?.removeEventListener("abort", cancel);
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    try {
      const next = this.#results.next();
      const result = await (this.#feed?.during(next) ?? next);
      if (!result.done) return result;
      this.#end();
      this.#throwAbort();
      this.#feed?.throwFailure();
      return { done: true, value: undefined };
    } catch (error) {
      this.#end();
      throw rebuilt(error, this.#task);
    }
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.#end();
    await this.#results.return();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): void {
    this.#stopListening();
    this.#feed?.close();
  }

  #throwAbort(): void {
    const abort = this.#abort;
    this.#abort = undefined;
    if (abort) throw abort.reason;
  }
}
