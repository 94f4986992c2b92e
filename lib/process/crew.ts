/**
 * The workers of a pool: started when there is something to do, replaced when they are lost or have
 * done enough, and all gone at the end.
 *
 * Above: pool.ts. Below: worker.ts.
 *
 * @module
 */

import { WorkerLostError } from "../errors.ts";
import { defaultStartTimeout } from "../manager/connect.ts";
import type { ProxyOwner } from "../proxy.ts";
import type { RuntimeName } from "../runtime.ts";
import { LocalOwner } from "../server/local.ts";
import type { Chunk } from "./job.ts";
import { Parcels } from "./parcel.ts";
import type { PoolOptions } from "./pool_options.ts";
import { clientOf } from "./process.ts";
import type { RuntimeOptions } from "./runtime_command.ts";
import { type Task, TaskSet } from "./tasks.ts";
import { Worker } from "./worker.ts";

/** What a pool is told. */
export interface CrewEvents {
  /** There is an idle worker, or room for one. */
  free(): void;
  /** A worker could not be started. */
  failed(error: unknown): void;
}

/** At most `size` workers. */
export class Crew {
  readonly #size: number;
  readonly #options: PoolOptions;
  readonly #events: CrewEvents;
  readonly #owner: ProxyOwner | undefined;
  readonly #parcels: Parcels;
  readonly #runtimes: readonly (RuntimeName | RuntimeOptions | undefined)[];
  /** URLs of the modules that workers are to know: those of the options, and of calls. */
  readonly #initialModules: ReadonlySet<string>;
  #modules: Set<string>;
  readonly #workers = new Set<Worker>();
  readonly #idle: Worker[] = [];
  /** Workers that come, and that go. */
  readonly #starting = new Set<Promise<Worker>>();
  readonly #leaving = new Set<Promise<unknown>>();
  #started = 0;
  #finishing = false;
  #killed = false;
  /** Ends workers that come. */
  readonly #abort = new AbortController();
  /** Wake those who wait for a worker. */
  #waiting: (() => void)[] = [];

  constructor(size: number, options: PoolOptions, events: CrewEvents) {
    this.#size = size;
    this.#options = { ...options };
    this.#events = events;
    this.#owner = options.manager && ownerOf(options.manager);
    this.#parcels = new Parcels(this.#owner);
    this.#runtimes = [options.runtime].flat();
    const modules = [options.tasks ?? []].flat().map(TaskSet.moduleOf);
    if (options.initializer) modules.push(options.initializer.module);
    this.#initialModules = new Set(modules);
    this.#modules = new Set(modules);
  }

  /** Workers that start from now on can import the module. */
  learn(module: string): void {
    this.#modules.add(module);
  }

  /** Whether a worker has nothing to do, or room for more. */
  get hasIdle(): boolean {
    return this.#idle.length > 0;
  }

  /**
   * An idle worker that is good for so many runs of the task. Where others are idle, one of these makes
   * room for a new one.
   */
  idle({ module, name }: Task, need: number): Worker | undefined {
    const fits = (worker: Worker) =>
      worker.hasRoom && worker.canImport(module) && worker.capacity >= need;
    const fitting = this.#idle.filter(fits);
    if (fitting.length > 0) return fitting.reduce((a, b) => b.load < a.load ? b : a);
    this.#refuseIfUnknown(module, name);
    const replaceable = this.#replaceable();
    if (replaceable) this.#leave(replaceable, replaceable.finish());
  }

  /** Starts workers until, of all that there may be, so many have nothing to do. */
  staff(wanted: number): void {
    const busy = this.#workers.size - this.#idle.filter(isFree).length;
    const target = Math.min(this.#size, busy + wanted);
    while (this.count < target) this.#startOne().catch(() => {}); // the pool is told
  }

  /** The worker was given something, and may have room for more. */
  engage(worker: Worker): void {
    this.#withdraw(worker);
    if (worker.hasRoom && worker.capacity > 0 && !this.#finishing) this.#idle.push(worker);
  }

  /** The worker has done something, or is lost. */
  release(worker: Worker): void {
    this.#withdraw(worker);
    if (this.#workers.has(worker)) this.#rest(worker);
    this.#notify();
  }

  /** The worker with the fewest actors, or a new one while there is room; it has one more now. */
  async forActor({ module, name }: Task): Promise<Worker> {
    for (;;) {
      this.learn(module);
      if (this.#killed) {
        throw new WorkerLostError(`Cannot make "${name}": its pool was terminated`);
      }
      const worker = this.#fewestActors(module) ??
        (this.count < this.#size ? await this.#startOne() : undefined);
      if (worker) {
        worker.actors++;
        return worker;
      }
      this.#refuseIfUnknown(module, name);
      const replaceable = this.#replaceable();
      if (replaceable) this.#leave(replaceable, replaceable.finish());
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #replaceable(): Worker | undefined {
    return this.#idle.find((worker) => worker.actors === 0 && isFree(worker));
  }

  /** Undefined if a new worker would have fewer, or one that comes. */
  #fewestActors(module: string): Worker | undefined {
    // One whose task was cancelled may be killed soon.
    const lasting = [...this.#workers].filter((worker) =>
      !worker.cancelling && worker.canImport(module)
    );
    const [fewest] = lasting.sort((a, b) => a.actors - b.actors);
    const newOnes = this.count < this.#size || this.#starting.size > 0;
    return newOnes && fewest?.actors !== 0 ? undefined : fewest;
  }

  /** No worker will ever be able to run what is asked for if all have actors and none knows the module. */
  #refuseIfUnknown(module: string, name: string): void {
    const stays = (worker: Worker) => worker.actors > 0 && !worker.canImport(module);
    if (this.#workers.size < this.#size || ![...this.#workers].every(stays)) return;
    throw new TypeError(
      `Cannot run "${name}": the module "${module}" was not known when these workers started, which Deno needs, and their actors keep them; name its tasks in the option "tasks" of the pool`,
    );
  }

  /** Nobody waits for the chunk any more. */
  cancel(chunk: Chunk): void {
    for (const worker of this.#workers) worker.cancel(chunk);
  }

  /** Lets all end in order: as soon as they have nothing to do. */
  finish(): void {
    this.#finishing = true;
    for (const worker of this.#idle.filter(isFree)) {
      this.#leave(worker, worker.finish());
    }
  }

  /** Ends all at once, those that come, too. */
  kill(): void {
    this.#killed = true;
    this.#abort.abort();
    this.#notify();
    for (const worker of [...this.#workers]) this.#leave(worker, worker.kill());
  }

  /** How many there are, those that come included. */
  get count(): number {
    return this.#workers.size + this.#starting.size;
  }

  /** Resolves when there are none any more. */
  async gone(): Promise<void> {
    for (;;) {
      const working = [...this.#workers].map(({ exited }) => exited);
      const going = [...this.#starting, ...this.#leaving, ...working];
      if (going.length === 0) return;
      await Promise.allSettled(going);
    }
  }

  #startOne(): Promise<Worker> {
    const { permissions, threads = false, initializer, startTimeout } = this.#options;
    const started = Worker.start({
      owner: this.#owner,
      runtime: this.#runtimes[this.#started++ % this.#runtimes.length],
      permissions,
      thread: threads,
      modules: [...this.#modules],
      initializer,
      shared: this.#owner instanceof LocalOwner,
      startTimeout: startTimeout ?? defaultStartTimeout,
      maxTasks: this.#options.maxTasksPerChild ?? Infinity,
      signal: this.#abort.signal,
    }, this.#parcels);
    this.#starting.add(started);
    started.then((worker) => this.#arrive(worker), (error) => this.#fail(error))
      .finally(() => {
        this.#starting.delete(started);
        this.#notify();
      });
    return started;
  }

  #arrive(worker: Worker): void {
    this.#workers.add(worker);
    worker.lost.then(() => {
      this.#leave(worker, worker.exited);
      this.#notify();
    });
    if (this.#killed) this.#leave(worker, worker.kill());
    else this.#rest(worker);
  }

  #rest(worker: Worker): void {
    const spent = this.#finishing || worker.capacity <= 0;
    if (!spent && worker.hasRoom) this.#idle.push(worker);
    else if (spent && isFree(worker)) this.#leave(worker, worker.finish());
  }

  #withdraw(worker: Worker): void {
    const position = this.#idle.indexOf(worker);
    if (position >= 0) this.#idle.splice(position, 1);
  }

  #fail(error: unknown): void {
    // A module that cannot be imported is not to end the workers of later calls.
    this.#modules = new Set(this.#initialModules);
    this.#events.failed(error);
  }

  #notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
    this.#events.free();
  }

  /** The worker ends: it gets nothing more. */
  #leave(worker: Worker, gone: Promise<unknown>): void {
    this.#forget(worker);
    this.#leaving.add(gone);
    gone.finally(() => this.#leaving.delete(gone));
  }

  #forget(worker: Worker): void {
    this.#workers.delete(worker);
    this.#withdraw(worker);
  }
}

/** Whether it has nothing to do. */
function isFree({ load }: Worker): boolean {
  return load === 0;
}

/** Who owns the proxies of a pool's user; a pool in a server works for that itself. */
function ownerOf(manager: unknown): ProxyOwner {
  return manager instanceof LocalOwner ? manager : clientOf(manager);
}
