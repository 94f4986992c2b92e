/**
 * `Pool`: runs tasks in workers, and gives each of its calls a fair share of them.
 *
 * Above: users. Below: crew.ts, job.ts, sinks.ts.
 *
 * @module
 */

import { clearTimeout, setTimeout } from "node:timers";
import { show } from "../call_options.ts";
import { TimeoutError, WorkerLostError } from "../errors.ts";
import { maxTimeout } from "../limits.ts";
import type { Remote } from "../remote.ts";
import { parallelism } from "../runtime.ts";
import { Crew } from "./crew.ts";
import { checkArguments, checkItems, inputOf, type Items } from "./input.ts";
import { type Chunk, Job, Pace, type Sink } from "./job.ts";
import {
  checkCount,
  checkPoolOptions,
  checkTaskOptions,
  type MapOptions,
  type PoolOptions,
  type TaskOptions,
} from "./pool_options.ts";
import { openProgressBar } from "./progress.ts";
import { Collection, Stream } from "./sinks.ts";
import { isClass } from "../types/exposure.ts";
import { type ActorClass, keyOf, refuseWhileImporting, Task, type TaskFunction } from "./tasks.ts";
import type { Worker } from "./worker.ts";

/**
 * Workers - processes, or threads - that run the tasks of `defineTasks`. They are started when there
 * is something to do, at most `workers` of them, and replaced when they are lost. An idle pool does not
 * keep this process alive, and its workers never outlive it. Python: `multiprocessing.Pool`.
 *
 * @example
 * ```ts ignore
 * import { Pool } from "@referent/manager/process";
 * import { tasks } from "./tasks.ts"; // defineTasks(import.meta.url, { square: (x: number) => x * x })
 *
 * const pool = new Pool(4);
 * console.log(await pool.map(tasks.square, [1, 2, 3])); // [1, 4, 9]
 * await pool.terminate();
 * ```
 */
export class Pool {
  /** The most workers at a time. */
  readonly size: number;
  readonly #maxTasksPerChild: number;
  readonly #crew: Crew;
  /** The calls that are not over; whose turn it is stands first. */
  readonly #jobs = new Set<Job>();
  /** How long tasks take, by module and name. */
  readonly #paces = new Map<string, Pace>();
  /** Actors that are being made. */
  #making = 0;
  #state: "open" | "closed" | "terminated" = "open";

  /** How many workers and calls a pool has, and how many tasks wait that are known. @internal */
  static describe(pool: Pool): { workers: number; calls: number; waiting: number } {
    const waiting = [...pool.#jobs].reduce((sum, job) => sum + job.waiting, 0);
    return { workers: pool.#crew.count, calls: pool.#jobs.size, waiting };
  }

  /**
   * Starts nothing yet.
   *
   * @param workers How many; default: one for each processor.
   * @throws {RangeError} `workers` is no integer of 1 or more.
   * @throws {TypeError} An option is unknown or bad.
   */
  constructor(workers: number = parallelism(), options: PoolOptions = {}) {
    refuseWhileImporting("pool");
    checkCount("A pool's workers", workers);
    checkPoolOptions(options);
    this.size = workers;
    this.#maxTasksPerChild = options.maxTasksPerChild ?? Infinity;
    this.#crew = new Crew(workers, options, {
      free: () => this.#dispatch(),
      failed: (error) => this.#fail(() => error),
    });
  }

  /**
   * Runs one task. Rejects with what it threw; with WorkerLostError if its worker died, and
   * SerializeError if an argument or the result cannot be sent. Python: `apply`.
   */
  async apply<F extends TaskFunction>(
    task: Task<F>,
    args: Readonly<Parameters<F>> | readonly [] = [],
    options: TaskOptions = {},
  ): Promise<Awaited<ReturnType<F>>> {
    checkArguments("apply", args);
    const [result] = await this.#collect(task, [args], options, true, () => "args");
    return result as Awaited<ReturnType<F>>;
  }

  /**
   * Runs a task with each item; resolves to the results in order. All tasks are run, also if one
   * fails: then it rejects with the error of the first that failed, in the order of the items.
   * Python: `map`.
   */
  async map<A, R>(
    task: Task<(item: A) => R>,
    items: Items<A>,
    options: MapOptions = {},
  ): Promise<Awaited<R>[]> {
    return await this.#collect(task, items, options, false) as Awaited<R>[];
  }

  /** As `map`, with an array of arguments an item. Python: `starmap`. */
  async starmap<F extends TaskFunction>(
    task: Task<F>,
    items: Items<Readonly<Parameters<F>>>,
    options: MapOptions = {},
  ): Promise<Awaited<ReturnType<F>>[]> {
    return await this.#collect(task, items, options, true) as Awaited<ReturnType<F>>[];
  }

  /**
   * Runs a task with each item and gives the results in order, as they are taken: neither a slow
   * reader nor an endless input fills the memory. It begins with the first `next()`. A task that fails
   * ends the iteration with its error; ending it early, as `break` does, cancels what runs. Python:
   * `imap`.
   */
  imap<A, R>(
    task: Task<(item: A) => R>,
    items: Items<A>,
    options: MapOptions = {},
  ): AsyncIterableIterator<Awaited<R>> {
    return this.#stream(task, items, options, true) as AsyncIterableIterator<Awaited<R>>;
  }

  /** As `imap`, with the results as they come. Python: `imap_unordered`. */
  imapUnordered<A, R>(
    task: Task<(item: A) => R>,
    items: Items<A>,
    options: MapOptions = {},
  ): AsyncIterableIterator<Awaited<R>> {
    return this.#stream(task, items, options, false) as AsyncIterableIterator<Awaited<R>>;
  }

  /**
   * Makes an instance of a class in one worker, the one with the fewest of them, where it lives beside
   * the tasks; gives its proxy, which only this process can use. Its calls reject with
   * ConnectionClosedError once the worker is gone.
   */
  async actor<C extends ActorClass>(
    task: Task<C>,
    ...args: ConstructorParameters<C>
  ): Promise<Remote<InstanceType<C>>> {
    this.#check(task, "class");
    this.#making++;
    try {
      const worker = await this.#crew.forActor(task);
      return await worker.makeActor(task, args) as Remote<InstanceType<C>>;
    } finally {
      this.#making--;
      this.#finishIfDone();
    }
  }

  /**
   * Takes no more calls; its workers end when those that it has are finished, and its actors with them.
   * An iteration is finished when it is read to its end, or was left: one that nobody reads any more
   * keeps the workers, so `break` out of it or call its `return()`.
   */
  close(): void {
    if (this.#state === "open") this.#state = "closed";
    this.#finishIfDone();
  }

  /** Rejects its calls with WorkerLostError and ends its workers at once; resolves when they are gone. */
  async terminate(): Promise<void> {
    this.#state = "terminated";
    this.#fail(({ task }) =>
      new WorkerLostError(`Cannot finish "${task.name}": its pool was terminated`)
    );
    this.#crew.kill();
    await this.join();
  }

  /** Waits until all workers have ended, after `close` or `terminate`. */
  async join(): Promise<void> {
    if (this.#state === "open") {
      throw new TypeError("Cannot join a pool that is open: call close() or terminate() first");
    }
    await this.#crew.gone();
  }

  /** `terminate()`, as in Python. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminate();
  }

  // Calls.

  #collect(
    task: Task<TaskFunction>,
    items: Items<unknown>,
    options: MapOptions,
    spread: boolean,
    pathOf?: () => string,
  ): Promise<unknown[]> {
    const sink = new Collection();
    this.#submit({ task, items, options, spread, sink, pathOf });
    return sink.all;
  }

  #stream(
    task: Task<TaskFunction>,
    items: Items<unknown>,
    options: MapOptions,
    ordered: boolean,
  ): Stream {
    this.#check(task, "function");
    checkTaskOptions(options);
    checkItems(items);
    const stream: Stream = new Stream(ordered, 2 * this.size, () => {
      const job = this.#submit({ task, items, options, spread: false, sink: stream });
      return {
        resume: () => this.#dispatch(),
        cancel: () => job.fail(new DOMException("The iteration ended early", "AbortError")),
      };
    });
    return stream;
  }

  #submit(call: Call): Job {
    const { task, items, options, spread, sink, pathOf } = call;
    this.#check(task, "function");
    checkTaskOptions(options);
    const { chunkSize, retries = 0, onProgress, progress } = options;
    let endLimits = () => {};
    const input = inputOf(items, () => {
      job.checkEnd();
      this.#dispatch();
    });
    const bar = progress
      ? openProgressBar(task.name, input.length, (error) => job.fail(error))
      : undefined;
    // Behind a single task nothing is to wait, whatever others took.
    const pace = input.length === 1 ? new Pace() : this.#paceOf(task);
    const streams = sink instanceof Stream;
    const job: Job = new Job({
      task,
      spread,
      input,
      sink,
      pathOf: pathOf ?? ((position) => `items[${position}]`),
      chunkSize,
      pace,
      // What nobody has taken yet of an iteration is to be little, and the first of it is to come soon.
      maxAutomaticSize: streams ? 64 : 4096,
      startsSmall: streams || input.length === undefined,
      maxChunkSize: this.#maxTasksPerChild,
      workers: this.size,
      retries,
      onProgress: !bar ? onProgress : (state) => {
        bar.update(state);
        onProgress?.(state);
      },
      ended: () => {
        endLimits();
        bar?.end();
        for (const chunk of job.running) this.#crew.cancel(chunk);
        this.#jobs.delete(job);
        this.#finishIfDone();
      },
    });
    this.#jobs.add(job);
    this.#crew.learn(task.module);
    endLimits = this.#limit(job, options);
    job.checkEnd();
    if (job.over) endLimits();
    this.#dispatch();
    return job;
  }

  #paceOf(task: Task<TaskFunction>): Pace {
    const key = keyOf(task);
    const known = this.#paces.get(key) ?? new Pace();
    this.#paces.set(key, known);
    return known;
  }

  /** Cancels the job after its time, or when its signal aborts. */
  #limit(job: Job, { timeout = Infinity, signal }: TaskOptions): () => void {
    const late = () =>
      job.fail(new TimeoutError(`"${job.task.name}" did not finish in ${timeout} ms`));
    const abort = () => job.fail(signal!.reason);
    const timer = timeout === Infinity
      ? undefined
      : setTimeout(late, Math.min(timeout, maxTimeout));
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
  }

  /** Ends all calls. */
  #fail(reasonFor: (job: Job) => unknown): void {
    for (const job of [...this.#jobs]) job.fail(reasonFor(job));
  }

  #finishIfDone(): void {
    if (this.#state === "closed" && this.#jobs.size + this.#making === 0) this.#crew.finish();
  }

  /** Gives chunks to idle workers, one call after the other, and has workers started for the rest. */
  #dispatch(): void {
    for (let refused = 0; refused < this.#jobs.size && this.#crew.hasIdle;) {
      const [job] = this.#jobs;
      // It goes to the end of the line.
      this.#jobs.delete(job!);
      this.#jobs.add(job!);
      refused = this.#assign(job!) ? 0 : refused + 1;
    }
    this.#crew.staff(this.#demand());
  }

  /** How many more workers would have something to do. */
  #demand(): number {
    let demand = 0;
    for (const { width } of this.#jobs) {
      demand += width;
      if (demand >= this.size) return this.size;
    }
    return demand;
  }

  /** Whether the job got a worker. */
  #assign(job: Job): boolean {
    if (job.width === 0) return false;
    try {
      const worker = this.#crew.idle(job.task, job.need);
      const chunk = worker && job.take(worker.capacity);
      // Reading the items runs code of the user, which may have called the pool.
      const taken = chunk && worker.hasRoom && worker.capacity >= chunk.items.length;
      if (taken) void this.#run(worker, chunk);
      else if (chunk) job.putBack(chunk);
      else job.checkEnd();
      return taken === true;
    } catch (error) {
      job.fail(error);
      return false;
    }
  }

  async #run(worker: Worker, chunk: Chunk): Promise<void> {
    const { job } = chunk;
    const start = performance.now();
    try {
      const running = worker.run(chunk);
      const { load } = worker;
      this.#crew.engage(worker);
      const result = await running;
      // Those that it had before took their share of the time.
      if (result) job.settle(result, (performance.now() - start) / load);
      else job.putBack(chunk);
    } catch (error) {
      if (error instanceof WorkerLostError) job.lost(chunk, error);
      else job.fail(chunk.loss ?? error); // what it gave away with the first worker is gone
    }
    this.#crew.release(worker);
  }

  #check(task: unknown, kind: "function" | "class"): void {
    if (!Task.is(task)) {
      throw new TypeError(
        `A pool runs what defineTasks() gave, such as \`tasks.square\`, got ${show(task)}`,
      );
    }
    if (kind === "function" && isClass(task.callable)) {
      throw new TypeError(`"${task.name}" is a class: \`pool.actor()\` makes an instance of it`);
    }
    if (kind === "class" && !isClass(task.callable)) {
      throw new TypeError(`"${task.name}" is no class: \`pool.apply()\` runs it`);
    }
    if (this.#state === "open") return;
    throw new TypeError(
      `Cannot run "${task.name}": the pool was ${this.#state}; make another one`,
    );
  }
}

/** A call with many tasks, or one. */
interface Call {
  readonly task: Task<TaskFunction>;
  readonly items: Items<unknown>;
  readonly options: MapOptions;
  readonly spread: boolean;
  readonly sink: Sink;
  readonly pathOf?: (() => string) | undefined;
}
