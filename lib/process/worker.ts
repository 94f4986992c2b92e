/**
 * One worker of a pool, as the pool sees it: it runs chunks of tasks and makes actors, is told when
 * nobody waits for it any more, and ends.
 *
 * Above: pool.ts. Below: launch.ts, host.ts, packer.ts.
 *
 * @module
 */

import { type ProcessError, WorkerLostError } from "../errors.ts";
import { rebuildException } from "../exceptions.ts";
import { after, inTime, within } from "../in_time.ts";
import type { Initializer } from "../server/config.ts";
import { atExit } from "./at_exit.ts";
import { discardOutcomes, type Outcomes, unpackOutcomes } from "./outcomes.ts";
import type { Chunk, ChunkResult } from "./job.ts";
import { launch, type Launched } from "./launch.ts";
import { Packer } from "./packer.ts";
import { type Parcels, type Prepared, untilClaimed } from "./parcel.ts";
import type { ProxyOwner } from "../proxy.ts";
import { isPromise } from "../server/invocation.ts";
import { type ProgramOptions, runtimeNameOf } from "./runtime_command.ts";
import { endedEarly, type ProcessEnd, startError, textOf } from "./start_error.ts";
import { errorsByKey, keyOf, RelayedError, Task } from "./tasks.ts";

/** What to start. */
export interface WorkerOptions {
  /** Who knows the server that a plain `Manager.connect()` joins there. */
  readonly owner: ProxyOwner | undefined;
  readonly runtime: ProgramOptions["runtime"];
  readonly permissions: ProgramOptions["permissions"];
  readonly thread: boolean;
  /** URLs of the modules that it may import. */
  readonly modules: readonly string[];
  readonly initializer: Initializer | undefined;
  /** It works for the clients of a server, who may have tasks run and nothing else. */
  readonly shared: boolean;
  readonly startTimeout: number;
  /** How many tasks it may run, if it has no actors. */
  readonly maxTasks: number;
  /** Aborted when it is not wanted any more although it has not come yet. */
  readonly signal: AbortSignal;
}

/** A chunk that a worker was given. */
interface Errand {
  readonly chunk: Chunk;
  readonly id: number;
  cancelled: boolean;
  state: "packing" | "sent" | "answered";
  /** Resolves when nobody waits for it any more. */
  readonly gone: Promise<undefined>;
  readonly leave: () => void;
}

/** Milliseconds of work behind which more may wait in a worker, so that it never waits for its pool. */
const littleWork = 5;
/** How many chunks a worker may have; and of a call of which nothing has come back. */
const maxChunks = 16;
const maxUntried = 4;

/** Milliseconds that a task has to end by itself when nobody waits for it, or a worker at its end. */
const grace = 1_000;

/** One worker. It does not keep this process alive; what it runs does. */
export class Worker {
  /** Resolves when it has ended. */
  readonly exited: Promise<ProcessEnd>;
  /** Resolves when it is of no use any more, which may be before it has ended. */
  readonly lost: Promise<unknown>;
  /** Instances that live in it. */
  actors = 0;
  readonly #launched: Launched;
  readonly #parcels: Parcels;
  readonly #packer: Packer;
  /** The only modules that it can import; undefined: all. */
  readonly #modules: ReadonlySet<string> | undefined;
  readonly #maxTasks: number;
  /** The name of the initializer, once that has begun. */
  #initializer: string | undefined;
  /** Tasks that it was given. */
  #tasks = 0;
  #nextId = 1;
  /** Numbers of the tasks that it knows. */
  readonly #numbers = new Map<string, number>();
  /** The chunk that runs, and those that wait there for their turn. */
  readonly #under: Errand[] = [];
  /** The first that has no answer: those behind it are not begun. */
  #running: Errand | undefined;
  /** Since when it is that. */
  #since = 0;
  /** What ran when the worker was lost. */
  #lostWith: Errand | undefined;
  /** When what runs is cancelled: until then it may end by itself. */
  #deadline: (() => void) | undefined;

  /**
   * Starts a worker.
   *
   * @throws {ProcessError} It did not start, or its initializer failed.
   */
  static async start(options: WorkerOptions, parcels: Parcels): Promise<Worker> {
    const address = options.owner?.env["REFERENT_ADDRESS"];
    const ends = new AbortController();
    const launched = await launch({
      what: "worker",
      modules: options.modules,
      addresses: address === undefined ? [] : [address],
      runtime: options.runtime,
      permissions: runtimeNameOf(options.runtime) === "deno" ? options.permissions : undefined,
      stdio: ["ignore", "inherit", "inherit"],
      detached: false,
      thread: options.thread,
      startTimeout: options.startTimeout,
      // One that has not come yet has nothing to finish.
      spawned: (signal) => {
        const kill = () => signal("SIGKILL");
        options.signal.addEventListener("abort", kill, { signal: ends.signal });
        if (options.signal.aborted) kill();
      },
    }).finally(() => ends.abort());
    const worker = new Worker(launched, parcels, options);
    const kill = () => void worker.kill();
    options.signal.addEventListener("abort", kill);
    if (options.signal.aborted) kill();
    try {
      await worker.#prepare(options);
      return worker;
    } catch (error) {
      throw await worker.#failure(error as Error);
    } finally {
      options.signal.removeEventListener("abort", kill);
    }
  }

  private constructor(launched: Launched, parcels: Parcels, options: WorkerOptions) {
    this.#launched = launched;
    this.#parcels = parcels;
    this.#packer = new Packer(parcels);
    this.#modules = importable(options);
    this.#maxTasks = options.maxTasks;
    this.exited = launched.exited;
    this.lost = Promise.race([launched.client.ended, launched.exited]);
    // One that cannot be talked to is ended.
    this.lost.then(() => this.#end());
    // A worker that never yields would not see this process's end.
    const settled = atExit(() => launched.signal("SIGKILL"));
    launched.exited.then(settled);
  }

  /** How many more tasks it may run. */
  get capacity(): number {
    return this.actors > 0 ? Infinity : this.#maxTasks - this.#tasks;
  }

  /** How many chunks it has. */
  get load(): number {
    return this.#under.length;
  }

  /** Whether one more chunk may be given to it: it has none, or what it has takes little time. */
  get hasRoom(): boolean {
    if (this.#under.length >= maxChunks || !this.#launched.client.usable) return false;
    // What runs, or is packed, takes longer than was thought.
    if (this.#running && performance.now() - this.#since > littleWork) return false;
    return this.#under.reduce((sum, errand) => sum + timeOf(errand), 0) < littleWork;
  }

  /** Whether it is killed if the task that it runs does not end soon. */
  get cancelling(): boolean {
    return this.#deadline !== undefined;
  }

  /** Whether the module can be imported there. */
  canImport(module: string): boolean {
    return this.#modules?.has(module) ?? true;
  }

  /**
   * Runs a chunk, behind those that it has; undefined if it was not begun, because nobody waits for
   * it any more or the worker was lost before.
   *
   * @throws {WorkerLostError} It died meanwhile.
   * @throws What makes all of the chunk impossible: an item that cannot be sent, a module that cannot
   * be imported.
   */
  async run(chunk: Chunk): Promise<ChunkResult | undefined> {
    const { client } = this.#launched;
    const errand = newErrand(chunk, this.#nextId++);
    this.#under.push(errand);
    this.#watch();
    this.#tasks += chunk.items.length;
    const { job } = chunk;
    let packed: Prepared | undefined;
    try {
      const packing = this.#packer.pack(chunk, errand.gone);
      packed = isPromise(packing) ? await packing : packing;
      if (!packed) return undefined;
      if (job.over || !client.usable) return void packed.keep();
      packed.give();
      errand.state = "sent";
      const task = this.#numberOf(job.task, job.key);
      const reply = await this.#launched.host.run(errand.id, task, job.spread, packed.parcel);
      errand.state = "answered";
      this.#watch();
      if (job.over) return void discardOutcomes(this.#parcels, reply);
      const unpacking = unpackOutcomes(this.#parcels, reply);
      const outcomes = isPromise(unpacking)
        ? await Promise.race([unpacking, errand.gone])
        : unpacking;
      return outcomes && this.#read(chunk, outcomes);
    } catch (error) {
      packed?.drop();
      // Until the pool is told, the worker is not free: it would get the next of the same call.
      await undefined;
      if (client.usable || errand.state !== "sent") throw error;
      // The child begins a chunk only when the answer to the one before is on its way.
      this.#lostWith ??= this.#running;
      if (this.#lostWith !== errand) return undefined;
      throw await this.#lost(`ran "${job.task.name}"`);
    } finally {
      this.#done(errand);
    }
  }

  /** What the child knows the task by. */
  #numberOf({ module, name }: Pick<Task, "module" | "name">, key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(key, number);
    // A worker that is lost tells of it in `run`.
    this.#launched.host.introduce(number, { module, name }).catch(() => {});
    return number;
  }

  /** Nobody waits for the chunk any more: its task is told, and killed if it does not end. */
  cancel(chunk: Chunk): void {
    const errand = this.#under.find((one) => one.chunk === chunk);
    if (!errand || errand.cancelled) return;
    errand.cancelled = true;
    errand.leave();
    // A worker that is lost tells of it in `run`.
    this.#launched.host.cancel(errand.id).catch(() => {});
    this.#watch();
  }

  /** Makes an instance of a class, which is counted already; gives its proxy. */
  async makeActor(task: Task, args: readonly unknown[]): Promise<object> {
    const { module, name } = task;
    this.#launched.client.addErrors(errorsByKey(task, module));
    try {
      const packing = this.#parcels.pack(args, "args", untilClaimed);
      const packed = await Promise.race([packing, this.lost.then(() => undefined)]);
      if (!packed) {
        packing.then((late) => late.drop(), () => {});
        throw await this.#lost(`was to make "${name}"`);
      }
      try {
        return await this.#launched.host.makeActor({ module, name }, packed.parcel) as object;
      } catch (error) {
        packed.drop();
        throw this.#launched.client.usable ? error : await this.#lost(`made "${name}"`);
      }
    } catch (error) {
      this.actors--;
      throw error;
    }
  }

  /** Lets it end in order; kills it if it does not. Resolves when it has ended. */
  async finish(exitCode = 0): Promise<void> {
    this.#launched.ref();
    // One that is lost has ended already.
    this.#launched.host.finish({ exitCode, now: true }).catch(() => {});
    await this.#end();
  }

  /** Terminates it, then kills it. Resolves when it has ended. */
  async kill(): Promise<void> {
    this.#launched.ref();
    this.#launched.signal("SIGTERM");
    await this.#end();
  }

  #done(errand: Errand): void {
    this.#under.splice(this.#under.indexOf(errand), 1);
    this.#watch();
  }

  /** Sees what runs now. A chunk that nobody waits for has a little time to end, once it is its turn. */
  #watch(): void {
    const running = this.#under.find(({ state }) => state !== "answered");
    if (running !== this.#running) {
      this.#running = running;
      this.#since = performance.now();
      this.#deadline?.();
      this.#deadline = undefined;
    }
    if (!running?.cancelled) return;
    this.#deadline ??= after(grace, () => {
      this.#launched.signal("SIGKILL");
      const { name } = running.chunk.job.task;
      // Deno takes seconds to end a thread that spins: another worker takes its place meanwhile.
      this.#launched.client.abandon(`Its worker was killed: "${name}" was cancelled and went on`);
    });
  }

  #read(chunk: Chunk, { values, exceptions }: Outcomes): ChunkResult {
    const { task } = chunk.job;
    const known = Task.errorsOf(task);
    const source = { typeid: "task", method: task.name };
    const errors = new Map(exceptions.map(([position, exception]) => {
      if (!known) return [position, new RelayedError(exception)];
      return [position, rebuildException(exception, known, source)];
    }));
    return { chunk, values, errors };
  }

  async #prepare(options: WorkerOptions): Promise<void> {
    const { owner, initializer, startTimeout } = options;
    const ready = this.#launched.host.begin({ script: false, detached: false, env: owner?.env });
    await within(ready, startTimeout, undefined, "Its modules were not imported (startTimeout)");
    if (initializer) await this.#initialize(initializer, options);
  }

  /** Why it did not start. It ends in order, so that no signal seems to be the reason. */
  async #failure(cause: Error): Promise<ProcessError> {
    const { client, stderrTail } = this.#launched;
    const reason = client.usable ? textOf(cause) : "it ended before it was ready";
    const name = this.#initializer;
    const what = name === undefined ? reason : `its initializer "${name}" failed: ${reason}`;
    await this.finish(1);
    return startError("worker", what, cause, await this.exited, stderrTail(), "worker");
  }

  async #initialize(
    initializer: Initializer,
    { shared, startTimeout }: WorkerOptions,
  ): Promise<void> {
    const { module, export: name = "default", args = [] } = initializer;
    this.#initializer = name;
    const { host } = this.#launched;
    const given = shared ? [args] : args;
    const packed = await this.#parcels.pack(
      given,
      "initializer.args",
      untilClaimed,
      startTimeout,
    );
    const task = { module, name };
    const call = shared
      ? host.run(0, this.#numberOf(task, keyOf(task)), true, packed.parcel)
      : host.call(task, packed.parcel);
    const reply = await within(call, startTimeout, undefined, "It still runs")
      .finally(() => packed.drop());
    const { exceptions: [failure] } = await unpackOutcomes(this.#parcels, reply);
    if (!failure) return;
    throw rebuildException(failure[1], new Map(), { typeid: "initializer", method: name });
  }

  /** Kills it if it does not end soon. */
  async #end(): Promise<void> {
    const { client, exited, signal } = this.#launched;
    if (!await inTime(exited, grace)) signal("SIGKILL");
    await exited;
    // What it said last may be on its way; but a child of its own may hold the connection open.
    await inTime(client.ended, grace);
    client.abandon();
  }

  async #lost(what: string): Promise<WorkerLostError> {
    const end = await this.exited;
    const tail = this.#launched.stderrTail();
    return endedEarly(WorkerLostError, `The worker that ${what} was lost`, end, tail);
  }
}

/** Milliseconds that it will take; nobody knows when a cancelled one ends. */
function timeOf({ chunk: { job, items }, cancelled }: Errand): number {
  if (cancelled) return Infinity;
  const expected = job.pace.timeOf(items.length);
  return job.tried ? expected : Math.max(expected, littleWork / maxUntried);
}

function newErrand(chunk: Chunk, id: number): Errand {
  let leave!: () => void;
  const gone = new Promise<undefined>((resolve) => leave = () => resolve(undefined));
  return { chunk, id, cancelled: false, state: "packing", gone, leave };
}

/** A Deno worker can import only what was named when it started. */
function importable(options: WorkerOptions): ReadonlySet<string> | undefined {
  const { permissions, thread } = options;
  const name = runtimeNameOf(options.runtime);
  const all = name !== "deno" || thread || permissions === "all" ||
    permissions?.includes("--allow-read");
  return all ? undefined : new Set(options.modules);
}
