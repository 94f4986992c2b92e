/**
 * A job: the tasks of one call of a pool. It cuts its input into chunks, as large as pays and as small
 * as is fair, takes what became of them, and says how far it is.
 *
 * Above: pool.ts. Below: input.ts; a sink, which makes the results what the caller wants.
 *
 * @module
 */

import type { Input } from "./input.ts";
import { type ActorClass, keyOf, type Task, type TaskFunction } from "./tasks.ts";

/** How far a call has come. */
export interface Progress {
  /** Tasks that are finished, failed ones included. */
  readonly done: number;
  /** Tasks in all; undefined while the input is not read to its end. */
  readonly total: number | undefined;
  /** Tasks that failed. */
  readonly failed: number;
  /** Tasks a second, so far. */
  readonly rate: number;
  /** Milliseconds that are left at this rate; undefined while it is not known. */
  readonly eta: number | undefined;
}

/** Some tasks that one worker runs one after the other. */
export interface Chunk {
  readonly job: Job;
  /** Its place among the job's chunks. */
  readonly index: number;
  /** The position of its first item in the input. */
  readonly start: number;
  readonly items: readonly unknown[];
  /** How often a worker was lost with it. */
  losses: number;
  /** How the last one was lost. */
  loss?: unknown;
}

/** Outcomes of one chunk, with errors as the caller gets them. */
export interface ChunkResult {
  readonly chunk: Chunk;
  readonly values: readonly unknown[];
  readonly errors: ReadonlyMap<number, unknown>;
}

/** Where a job's results go. */
export interface Sink {
  /** Whether another chunk may be begun, although nobody has taken what is there. */
  readonly hasRoom: boolean;
  /** Another chunk was begun. */
  begin(): void;
  accept(result: ChunkResult): void;
  /** All results were accepted; if reading the input failed, this is why. */
  finish(failure: Input["failure"]): void;
  /** Nothing more comes, because of this. */
  fail(reason: unknown): void;
}

/** What a job is made of. */
export interface JobOptions {
  readonly task: Task<TaskFunction | ActorClass>;
  /** Each item is the array of all arguments. */
  readonly spread: boolean;
  /** How messages call the item at this position. */
  readonly pathOf: (position: number) => string;
  readonly input: Input;
  readonly sink: Sink;
  /** The items of a chunk; undefined: as many as pay. */
  readonly chunkSize: number | undefined;
  /** How long its tasks took before. */
  readonly pace: Pace;
  /** No chunk is larger that is as large as pays. */
  readonly maxAutomaticSize: number;
  /** It begins with small chunks, whatever its tasks took before. */
  readonly startsSmall: boolean;
  /** No chunk is larger. */
  readonly maxChunkSize: number;
  readonly workers: number;
  /** How often a chunk is tried again whose worker was lost. */
  readonly retries: number;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  /** It is over; chunks may still be running. */
  ended(): void;
}

/** Milliseconds that a chunk should take: much more than it costs to send one, little to wait for. */
const worthwhile = 20;
/** Milliseconds of a chunk that is not worth to be divided, so that no worker waits for another. */
const indivisible = 0.25;
const maxGrowth = 8;

/** How long tasks take, expected of what they took. */
export class Pace {
  /** Milliseconds: like the slowest of late, since tasks that differ should not wait for each other. */
  #perTask = Infinity;

  /** Milliseconds of so many tasks; Infinity while nothing is known. */
  timeOf(tasks: number): number {
    return tasks * this.#perTask;
  }

  /** How many tasks take so many milliseconds. */
  tasksIn(time: number): number {
    return Math.floor(time / this.#perTask);
  }

  /** So many tasks took so many milliseconds. */
  learn(tasks: number, time: number): void {
    const faded = this.#perTask === Infinity ? 0 : this.#perTask * 0.7;
    this.#perTask = Math.max(time / tasks, faded);
  }
}

/** The tasks of one call. */
export class Job {
  readonly task: JobOptions["task"];
  /** Tells its task from others. */
  readonly key: string;
  readonly spread: boolean;
  readonly retries: number;
  readonly pathOf: JobOptions["pathOf"];
  readonly pace: Pace;
  /** Chunks that workers have. */
  readonly running: Set<Chunk> = new Set();
  readonly #options: JobOptions;
  readonly #input: Input;
  readonly #sink: Sink;
  readonly #start = performance.now();
  #again: Chunk[] = [];
  #size: number;
  #taken = 0;
  #chunks = 0;
  #done = 0;
  #failed = 0;
  #over = false;

  constructor(options: JobOptions) {
    this.task = options.task;
    this.key = keyOf(options.task);
    this.spread = options.spread;
    this.retries = options.retries;
    this.pathOf = options.pathOf;
    this.pace = options.pace;
    this.#options = options;
    this.#input = options.input;
    this.#sink = options.sink;
    this.#size = options.startsSmall ? 1 : this.#worthwhileSize(Infinity);
  }

  /** Nothing of it is to be done any more. */
  get over(): boolean {
    return this.#over;
  }

  /** How many workers it has something for, or may have. */
  get width(): number {
    if (this.#over) return 0;
    const { length } = this.#input;
    const left = length === undefined ? Infinity : length - this.#taken;
    return this.#again.length + (this.#input.ended || !this.#sink.hasRoom ? 0 : left);
  }

  /** How many of its tasks no worker has, of those that are known. */
  get waiting(): number {
    const { length = this.#taken } = this.#input;
    const again = this.#again.reduce((sum, { items }) => sum + items.length, 0);
    return this.#over ? 0 : length - this.#taken + again;
  }

  /** Whether what earlier calls took was found to be true of this one. */
  get tried(): boolean {
    return this.#done > 0;
  }

  /** The least that a worker must be good for to get the next chunk. */
  get need(): number {
    return this.#again.at(-1)?.items.length ?? 1;
  }

  /** The next chunk, of at most so many tasks; undefined if there is none now. */
  take(max: number): Chunk | undefined {
    if (this.#over) return undefined;
    const chunk = this.#again.pop() ?? this.#cut(max);
    if (chunk) this.running.add(chunk);
    return chunk;
  }

  /** The chunk did not reach its worker: it is as if it had not been taken. */
  putBack(chunk: Chunk): void {
    this.running.delete(chunk);
    if (!this.#over) this.#again.push(chunk);
  }

  /** What became of a chunk, which took a worker so many milliseconds. */
  settle(result: ChunkResult, time: number): void {
    const { chunk, errors } = result;
    this.running.delete(chunk);
    if (this.#over) return;
    if (time > 0) this.#adapt(chunk.items.length, time);
    this.#done += chunk.items.length;
    this.#failed += errors.size;
    this.#sink.accept(result);
    this.#report();
    this.checkEnd();
  }

  /** The worker was lost that had the chunk: once more, or never. */
  lost(chunk: Chunk, error: unknown): void {
    this.running.delete(chunk);
    if (this.#over) return;
    chunk.loss = error;
    this.#size = 1; // one that kills its worker is to take no other with it
    if (chunk.losses++ < this.retries) return void this.#again.push(chunk);
    const errors = new Map(chunk.items.map((_, position) => [position, error]));
    this.settle({ chunk, values: chunk.items.map(() => undefined), errors }, 0);
  }

  /** Ends it at once: nothing more of the input is read, nothing more comes. */
  fail(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#input.close();
    this.#sink.fail(reason);
    this.#options.ended();
  }

  /** Ends it if all is done. */
  checkEnd(): void {
    const idle = this.running.size === 0 && this.#again.length === 0;
    if (this.#over || !idle || !this.#input.ended) return;
    this.#over = true;
    this.#sink.finish(this.#input.failure);
    this.#options.ended();
  }

  #cut(max: number): Chunk | undefined {
    if (!this.#sink.hasRoom) return undefined;
    const items = this.#input.take(Math.min(max, this.#nextSize()));
    if (this.#over || items.length === 0) return undefined;
    this.#sink.begin();
    const start = this.#taken;
    this.#taken += items.length;
    return { job: this, index: this.#chunks++, start, items, losses: 0 };
  }

  /** As many as take a worthwhile time, but so that at the end no worker waits long for another. */
  #nextSize(): number {
    const { chunkSize, maxChunkSize, workers } = this.#options;
    if (chunkSize !== undefined) return Math.min(chunkSize, maxChunkSize);
    // A loss is to count only for the task that was there.
    if (this.retries > 0) return 1;
    const { length = Infinity } = this.#input;
    const shareOf = (tasks: number) => Math.ceil(tasks / (2 * workers));
    // What took no time before may take long now: no worker is to be left without.
    const least = Math.min(this.pace.tasksIn(indivisible), shareOf(length));
    const share = Math.max(least, shareOf(length - this.#taken));
    return Math.max(1, Math.min(this.#size, share, maxChunkSize));
  }

  #adapt(items: number, time: number): void {
    this.pace.learn(items, time);
    this.#size = this.#worthwhileSize(this.#size * maxGrowth);
  }

  #worthwhileSize(max: number): number {
    const { maxAutomaticSize } = this.#options;
    return Math.max(1, Math.min(this.pace.tasksIn(worthwhile), max, maxAutomaticSize));
  }

  #report(): void {
    const { onProgress } = this.#options;
    if (!onProgress) return;
    const done = this.#done;
    const total = this.#input.length;
    const seconds = (performance.now() - this.#start) / 1000;
    const rate = done / seconds;
    const eta = total === undefined || rate === 0 ? undefined : (total - done) / rate * 1000;
    try {
      onProgress({ done, total, failed: this.#failed, rate, eta });
    } catch (error) {
      this.fail(error);
    }
  }
}
