/**
 * The workers of a pool: started when there is something to do, replaced when they are lost or have
 * done enough, and all gone at the end.
 *
 * Above: pool.ts. Below: worker.ts.
 *
 * @module
 */

import type { Client } from "../client/client.ts";
import { defaultStartTimeout } from "../manager/connect.ts";
import type { RuntimeName } from "../runtime.ts";
import type { Chunk } from "./job.ts";
import { Parcels } from "./parcel.ts";
import type { PoolOptions } from "./pool_options.ts";
import { clientOf } from "./process.ts";
import type { RuntimeOptions } from "./runtime_command.ts";
import { TaskSet } from "./tasks.ts";
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
  readonly #client: Client | undefined;
  readonly #parcels: Parcels;
  readonly #runtimes: readonly (RuntimeName | RuntimeOptions | undefined)[];
  /** URLs of the modules that workers are to know. */
  readonly #modules: Set<string>;
  readonly #workers = new Set<Worker>();
  readonly #idle: Worker[] = [];
  /** Workers that come, and that go. */
  readonly #starting = new Set<Promise<Worker>>();
  readonly #leaving = new Set<Promise<void>>();
  #started = 0;
  #killed = false;

  constructor(size: number, options: PoolOptions, events: CrewEvents) {
    this.#size = size;
    this.#options = { ...options };
    this.#events = events;
    this.#client = options.manager && clientOf(options.manager);
    this.#parcels = new Parcels(this.#client);
    this.#runtimes = [options.runtime].flat();
    this.#modules = new Set([options.tasks ?? []].flat().map(TaskSet.moduleOf));
    if (options.initializer) this.#modules.add(options.initializer.module);
  }

  /** An idle worker for a task of the module; if there is none, up to `wanted` more are started. */
  idle(module: string, wanted: number): Worker | undefined {
    this.#modules.add(module);
    const fitting = this.#idle.find((worker) => worker.canImport(module));
    if (fitting) return fitting;
    // A Deno worker cannot load a module that was not known when it started: another takes its place.
    const replaceable = this.#idle.find(({ actors }) => actors === 0);
    if (replaceable) this.#leave(replaceable, replaceable.finish());
    this.#start(wanted);
  }

  /** The worker is busy from now on. */
  engage(worker: Worker): void {
    const position = this.#idle.indexOf(worker);
    if (position >= 0) this.#idle.splice(position, 1);
  }

  /** The worker is idle again, or has done enough, or is lost. */
  release(worker: Worker): void {
    if (!this.#workers.has(worker)) return;
    const { maxTasksPerChild = Infinity } = this.#options;
    const spent = worker.tasks >= maxTasksPerChild && worker.actors === 0;
    if (spent) this.#leave(worker, worker.finish());
    else this.#idle.push(worker);
  }

  /** The worker with the fewest actors, or a new one while there is room. */
  async forActor(module: string): Promise<Worker> {
    this.#modules.add(module);
    if (this.#workers.size + this.#starting.size < this.#size) return await this.#startOne();
    if (this.#workers.size === 0) await Promise.race(this.#starting);
    // One whose task was cancelled may be killed soon.
    const lasting = [...this.#workers].filter((worker) =>
      !worker.cancelling && worker.canImport(module)
    );
    const [fewest] = lasting.sort((a, b) => a.actors - b.actors);
    return fewest ?? await this.#startOne();
  }

  /** Nobody waits for the chunk any more. */
  cancel(chunk: Chunk): void {
    for (const worker of this.#workers) worker.cancel(chunk);
  }

  /** Lets all end in order. */
  finish(): void {
    for (const worker of [...this.#workers]) this.#leave(worker, worker.finish());
  }

  /** Ends all at once, those that come, too. */
  kill(): void {
    this.#killed = true;
    for (const worker of [...this.#workers]) this.#leave(worker, worker.kill());
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

  #start(wanted: number): void {
    const busy = this.#workers.size - this.#idle.length;
    const target = Math.min(this.#size, busy + wanted);
    while (this.#workers.size + this.#starting.size < target) {
      this.#startOne().catch(() => {}); // the pool is told
    }
  }

  #startOne(): Promise<Worker> {
    const { permissions, threads = false, initializer, startTimeout } = this.#options;
    const started = Worker.start({
      client: this.#client,
      runtime: this.#runtimes[this.#started++ % this.#runtimes.length],
      permissions,
      thread: threads,
      modules: [...this.#modules],
      initializer,
      startTimeout: startTimeout ?? defaultStartTimeout,
    }, this.#parcels);
    this.#starting.add(started);
    started.then((worker) => this.#arrive(worker), (error) => this.#events.failed(error))
      .finally(() => {
        this.#starting.delete(started);
        this.#events.free();
      });
    return started;
  }

  #arrive(worker: Worker): void {
    this.#workers.add(worker);
    worker.exited.then(() => {
      this.#forget(worker);
      this.#events.free();
    });
    if (this.#killed) this.#leave(worker, worker.kill());
    else this.#idle.push(worker);
  }

  /** The worker ends: it gets nothing more. */
  #leave(worker: Worker, gone: Promise<void>): void {
    this.#forget(worker);
    this.#leaving.add(gone);
    gone.finally(() => this.#leaving.delete(gone));
  }

  #forget(worker: Worker): void {
    this.#workers.delete(worker);
    this.engage(worker);
  }
}
