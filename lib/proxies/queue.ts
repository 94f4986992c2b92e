/**
 * What of the queues runs where the proxy is: leases, the handlers of `consume`, and iteration.
 *
 * Above: methods.ts. Below: call.ts, handle.ts.
 *
 * @module
 */

import { checkedOptions, checkObject, show } from "../call_options.ts";
import { debug } from "../debug.ts";
import { LeaseLostError, QueueShutDownError } from "../errors.ts";
import type {
  ConsumeOptions,
  GetOptions,
  Lease,
  NackOptions,
  QueueMethods,
} from "../objects/queue_proxy.ts";
import { askByName, required } from "./call.ts";
import { Handle, unlessClosed } from "./handle.ts";
import type { LocalMethods } from "./lock.ts";

/** See {@linkcode Lease}. */
class QueueLease implements Lease<unknown> {
  readonly value: unknown;
  readonly attempt: number;
  readonly #handle: Handle;
  readonly #index: number;
  #end: { method: "ack" | "nack"; done: Promise<void> } | undefined;

  constructor(handle: Handle, index: number, value: unknown, attempt: number) {
    this.value = value;
    this.attempt = attempt;
    this.#handle = handle;
    this.#index = index;
  }

  /** Whether it was acknowledged or given back. */
  get over(): boolean {
    return this.#end !== undefined;
  }

  ack(): Promise<void> {
    return this.#finish("ack", [this.#index]);
  }

  // deno-lint-ignore require-await -- a bad delay is a rejection, not an exception
  async nack(options?: NackOptions): Promise<void> {
    return this.#finish("nack", [this.#index, options]);
  }

  /** Gives it back as if it had not been given. */
  async return(): Promise<void> {
    await this.#handle.call("return", []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.over) await this.nack().catch(unlessGone);
  }

  #finish(method: "ack" | "nack", args: unknown[]): Promise<void> {
    this.#end ??= { method, done: this.#ask(method, args) };
    if (this.#end.method === method) return this.#end.done;
    return Promise.reject(
      new LeaseLostError(
        `Cannot ${method} the item: its lease is over, ${this.#end.method}() was called before`,
      ),
    );
  }

  async #ask(method: "ack" | "nack", args: unknown[]): Promise<void> {
    try {
      await this.#handle.call(method, args);
    } catch (error) {
      // What was not done may be tried again.
      if (!(error instanceof LeaseLostError)) this.#end = undefined;
      throw error;
    }
  }
}

/** What is over need not be given back. */
function unlessGone(error: unknown): void {
  if (!(error instanceof LeaseLostError)) unlessClosed(error);
}

/** The methods of a queue that run where its proxy is. */
export const queueMethods: LocalMethods = {
  async get(options?: GetOptions) {
    return oneOf(await askByName(this, "get", [options]));
  },
  async tryGet(options?: GetOptions) {
    return oneOf(await askByName(this, "tryGet", [options]));
  },
  async getMany(max: number, options?: GetOptions) {
    const given = await askByName(this, "getMany", [max, options]);
    return isLease(given) ? leasesOf(given) : valueOf(given);
  },
  async consume(handler: Handler, options: ConsumeOptions<unknown> = {}) {
    await new Consumer(this as QueueMethods<unknown>, handler, options).run();
  },
  async *[Symbol.asyncIterator]() {
    for (;;) {
      let item: unknown;
      try {
        item = await (this as QueueMethods<unknown>).get();
      } catch (error) {
        if (error instanceof QueueShutDownError) return;
        throw error;
      }
      yield item;
    }
  },
};

function oneOf(given: unknown): unknown {
  return isLease(given) ? leasesOf(given)[0] : valueOf(given);
}

function isLease(given: unknown): given is Handle {
  return given instanceof Handle && given.kind === "Lease";
}

function leasesOf(handle: Handle): QueueLease[] {
  const content = handle.content as unknown[]; // value and attempt of each, alternating
  return Array.from({ length: content.length / 2 }, (_, i) => {
    return new QueueLease(handle, i, content[2 * i], content[2 * i + 1] as number);
  });
}

function valueOf(given: unknown): unknown {
  return given instanceof Handle ? given.content : given;
}

type Handler = (value: unknown, lease: Lease<unknown>) => unknown;

/** One `consume`: takes items until the queue is done, it is told to stop, or something fails. */
class Consumer {
  readonly #queue: QueueMethods<unknown>;
  readonly #handler: Handler;
  readonly #concurrency: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onError: ConsumeOptions<unknown>["onError"];
  readonly #stop = new AbortController();

  constructor(queue: QueueMethods<unknown>, handler: Handler, options: ConsumeOptions<unknown>) {
    checkObject(options, "{ concurrency, signal }");
    const { concurrency = 1, signal, onError, ...rest } = options;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) {
      throw new TypeError(
        `consume() has no option "${unknown}": its options are concurrency, signal, onError`,
      );
    }
    if (typeof handler !== "function") {
      throw new TypeError(`consume() needs a function as handler, got ${show(handler)}`);
    }
    if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
      throw new RangeError(
        `consume() needs a "concurrency" of 1 or more, got ${show(concurrency)}`,
      );
    }
    if (onError !== undefined && typeof onError !== "function") {
      throw new TypeError(`consume() needs a function as "onError", got ${show(onError)}`);
    }
    const view = required(queue, 'call "consume"');
    // The timeout of a view is for its calls, not for the time between two items.
    this.#queue = (view.proxy ?? queue) as QueueMethods<unknown>;
    this.#handler = handler;
    this.#concurrency = concurrency;
    this.#signal = checkedOptions({ signal: signal ?? view.options?.signal }).signal;
    this.#onError = onError;
  }

  async run(): Promise<void> {
    if (this.#signal?.aborted) return;
    const stop = () => this.#stop.abort();
    this.#signal?.addEventListener("abort", stop, { once: true });
    const ends = await Promise.allSettled(
      Array.from({ length: this.#concurrency }, () => this.#takeAll()),
    );
    this.#signal?.removeEventListener("abort", stop);
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  async #takeAll(): Promise<void> {
    try {
      for (let lease = await this.#next(); lease; lease = await this.#next()) {
        await this.#handle(lease);
      }
    } catch (error) {
      this.#stop.abort();
      throw error;
    }
  }

  async #next(): Promise<QueueLease | undefined> {
    const { signal } = this.#stop;
    if (signal.aborted) return undefined;
    try {
      const lease = await this.#queue.get({ lease: true, signal }) as QueueLease;
      if (!signal.aborted) return lease;
      await lease.return();
      return undefined;
    } catch (error) {
      if (signal.aborted || error instanceof QueueShutDownError) return undefined;
      throw error;
    }
  }

  async #handle(lease: QueueLease): Promise<void> {
    try {
      await this.#handler(lease.value, lease);
    } catch (error) {
      try {
        await this.#report(error, lease);
      } finally {
        if (!lease.over) await this.#settle(lease, () => lease.nack());
      }
      return;
    }
    if (!lease.over) await this.#settle(lease, () => lease.ack());
  }

  /** A lease that somebody else has ended is no reason to stop. */
  async #settle(lease: QueueLease, end: () => Promise<void>): Promise<void> {
    try {
      await end();
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
      await this.#report(error, lease);
    }
  }

  async #report(error: unknown, lease: QueueLease): Promise<void> {
    debug("consume", () => `attempt ${lease.attempt} failed: ${error}`);
    await this.#onError?.(error, lease);
  }
}
