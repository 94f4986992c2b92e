/**
 * What a child does for its parent: imports modules, runs functions and tasks, makes actors. The
 * parent calls it like any shared object.
 *
 * Above: main.ts. Below: tasks.ts, parcel.ts, child.ts.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { describeException, type ErrorClass, type Exception } from "../exceptions.ts";
import type { Definition } from "../objects/definition.ts";
import type { Caller, Remote } from "../remote.ts";
import { exitProcess, setExitCode } from "../runtime.ts";
import { isPromise } from "../server/invocation.ts";
import type { RegisteredType } from "../server/registry.ts";
import { thread } from "./child.ts";
import { checkArguments } from "./input.ts";
import { type Outcomes, type PackedOutcomes, packOutcomes } from "./outcomes.ts";
import { type Parcel, Parcels, problemOf } from "./parcel.ts";
import { type ActorClass, errorsByKey, findTask, keyOf, Task, type TaskFunction } from "./tasks.ts";

/** The typeid of the host in its child's server. */
export const hostTypeid = "host";

const hostMethods = [
  "begin",
  "load",
  "call",
  "introduce",
  "run",
  "cancel",
  "makeActor",
  "finish",
] as const;

/** The host as its parent sees it. */
export type RemoteHost = Remote<Pick<Host, typeof hostMethods[number]>>;

/** What a child is told first. */
export interface Setup {
  /** A script runs by itself; anything else waits for calls. */
  readonly script: boolean;
  /** It outlives its parent. */
  readonly detached: boolean;
  /** How it joins its manager. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of a script: what `processArgs` gives. */
  readonly args?: Parcel;
}

/** A function that a module exports. */
export interface ExportedFunction {
  readonly module: string;
  readonly name: string;
}

/** One child's side. */
export class Host {
  /** Resolves when the parent said what this child is. */
  readonly begun: Promise<void>;
  /** Resolves when the parent wants nothing more of this child. */
  readonly finished: Promise<void>;
  readonly types: Map<string, RegisteredType>;
  /** Exceptions of the actors' modules, which keep their class, by {@linkcode keyOf}. */
  readonly errors: Map<string, ErrorClass> = new Map();
  /** Goes on once the system has accepted what is being answered; set once the parent is there. */
  whenSent: (goOn: () => void) => void = (goOn) => goOn();
  readonly #loadable: Promise<void>;
  readonly #parcels = new Parcels();
  readonly #modules = new Map<string, Promise<Record<string, unknown>>>();
  /** Resolves when the next chunk may begin. */
  #turn: Promise<void> = Promise.resolve();
  readonly #cancellations = new Map<number, Cancellation>();
  /** Tasks by the parent's numbers, and their functions once they were run. */
  readonly #tasks: (ExportedFunction & { found?: Task })[] = [];
  #setup: Setup | undefined;
  #resolveBegun!: () => void;
  #resolveFinished!: () => void;

  /** Modules can be imported once `loadable` resolves. */
  constructor(loadable: Promise<void>) {
    this.#loadable = loadable;
    this.begun = new Promise((resolve) => this.#resolveBegun = resolve);
    this.finished = new Promise((resolve) => this.#resolveFinished = resolve);
    const definition = {
      create: () => this,
      class: Host,
      exposed: hostMethods,
      caller: ["makeActor"],
    };
    this.types = new Map([[hostTypeid, { definition }]]);
  }

  get isScript(): boolean {
    return this.#setup?.script === true;
  }

  /** The parent is gone: so is this child, unless it is detached. */
  parentLeft(): void {
    if (!this.#setup?.detached) exitProcess(1);
  }

  // What the parent calls.

  /** The first call. Of a detached child it waits for the objects of the arguments. */
  async begin(setup: Setup): Promise<void> {
    this.#setup = setup;
    if (setup.env) thread.environment = setup.env;
    const { script, args, detached } = setup;
    if (args) {
      let unpacked: Promise<unknown> | undefined;
      // Unpacked when asked for: a script that wants none joins nobody.
      thread.processArgs = () =>
        unpacked ??= Promise.resolve(args).then((args) => this.#parcels.unpack(args));
    }
    this.#resolveBegun();
    if (detached) await thread.processArgs?.();
    thread.importsOnly = !script;
    if (script) return;
    await this.#loadable;
  }

  /** Imports a module, which is to export the function; rejects as the import does. */
  async load(module: string, name?: string): Promise<void> {
    const exported = await this.#import(module);
    if (name !== undefined) findFunction(exported, module, name);
  }

  /** Calls a function that a module exports. */
  async call({ module, name }: ExportedFunction, args: Parcel): Promise<PackedOutcomes> {
    const run = findFunction(await this.#import(module), module, name);
    const given = await this.#parcels.unpack(args);
    // The answer to `load` leaves before a function that never yields begins.
    await new Promise((resolve) => setImmediate(resolve));
    return await this.#packAll(await this.#runAll(run, [given], true, new Cancellation()));
  }

  /** The number stands for a task from now on: names are long. */
  introduce(number: number, { module, name }: ExportedFunction): void {
    this.#tasks[number] = { module, name };
  }

  /**
   * Calls a task with each of the items, one after the other; `spread`: each is an array of arguments.
   * The `id` is for `cancel`. A chunk that comes while another runs waits until
   * the answer to that is on its way: of two that are lost with the child only the first was begun.
   */
  async run(id: number, task: number, spread: boolean, items: Parcel): Promise<PackedOutcomes> {
    const cancellation = new Cancellation();
    this.#cancellations.set(id, cancellation);
    const before = this.#turn;
    let endTurn!: () => void;
    this.#turn = new Promise((resolve) => endTurn = resolve);
    try {
      await before;
      const found = await this.#taskOf(task);
      const call = found.callable as TaskFunction;
      const errors = Task.errorsOf(found);
      const given = await this.#parcels.unpack(items) as unknown[];
      return await this.#packAll(await this.#runAll(call, given, spread, cancellation, errors));
    } finally {
      this.#cancellations.delete(id);
      // What the system has not accepted yet would be lost with this process.
      this.whenSent(endTurn);
    }
  }

  /** Nobody waits for the chunk any more: its running task is told, those behind it do not begin. */
  cancel(id: number): void {
    this.#cancellations.get(id)?.cancel();
  }

  /** Makes an instance of a class; it lives as long as this child or its proxy. */
  async makeActor(
    { module, name }: ExportedFunction,
    args: Parcel,
    caller: Caller,
  ): Promise<object> {
    const exported = await this.#import(module);
    const found = findTask(exported, module, name);
    const { callable } = found;
    for (const [key, Class] of errorsByKey(found, module)) this.errors.set(key, Class);
    const given = await this.#parcels.unpack(args) as unknown[];
    // Its methods may start what they like.
    thread.importsOnly = false;
    const actor = new (callable as ActorClass)(...given);
    const known = this.types.get(name);
    const unique = known === undefined || known.module === module;
    const typeid = unique ? name : keyOf({ module, name });
    this.types.set(typeid, { definition: actorDefinition, module });
    return caller.share(actor, typeid) as object;
  }

  /** The last call: what the parent wants of this child is done. It ends now, or when nothing runs any more. */
  finish({ exitCode, now }: { exitCode: number; now: boolean }): void {
    this.#resolveFinished();
    setExitCode(exitCode);
    // After the reply has left.
    if (now) setTimeout(() => exitProcess(exitCode), 0);
  }

  async #taskOf(number: number): Promise<Task> {
    const task = this.#tasks[number]!;
    const { module, name } = task;
    return task.found ??= findTask(await this.#import(module), module, name);
  }

  #import(module: string): Promise<Record<string, unknown>> {
    const known = this.#modules.get(module);
    if (known) return known;
    const imported = this.#load(module);
    this.#modules.set(module, imported);
    // Again after a failure: what was missing may be there now.
    imported.catch(() => this.#modules.delete(module));
    return imported;
  }

  async #load(module: string): Promise<Record<string, unknown>> {
    await this.#loadable;
    return await import(module) as Record<string, unknown>;
  }

  #runAll(
    call: TaskFunction,
    items: unknown[],
    spread: boolean,
    cancellation: Cancellation,
    errors?: ReadonlyMap<string, ErrorClass>,
  ): Promise<Outcomes> {
    const run = () => this.#runEach(call, items, spread, cancellation, errors);
    return thread.cancellation.run(cancellation, run);
  }

  async #runEach(
    call: TaskFunction,
    items: unknown[],
    spread: boolean,
    cancellation: Cancellation,
    errors?: ReadonlyMap<string, ErrorClass>,
  ): Promise<Outcomes> {
    const values = new Array<unknown>(items.length);
    const exceptions: [number, Exception][] = [];
    for (let i = 0; i < items.length; i++) {
      try {
        cancellation.throwIfCancelled();
        if (spread) checkArguments("starmap", items[i]);
        const result = spread ? call(...items[i] as unknown[]) : call(items[i]);
        values[i] = isPromise(result) ? await result : result;
      } catch (error) {
        exceptions.push([i, this.#describe(error, errors)]);
        values[i] = undefined;
      }
    }
    return { values, exceptions };
  }

  /** A result that cannot be sent is the failure of its own task, not of its neighbours. */
  async #packAll({ values, exceptions }: Outcomes): Promise<PackedOutcomes> {
    try {
      return await packOutcomes(this.#parcels, { values, exceptions });
    } catch {
      const problems = values.map((value) => problemOf(value, "result"));
      const kept = values.map((value, position) => problems[position] ? undefined : value);
      const found = problems.flatMap((problem, position) =>
        problem ? [[position, this.#describe(problem)] as const] : []
      );
      const all = [...exceptions, ...found];
      return await packOutcomes(this.#parcels, { values: kept, exceptions: all });
    }
  }

  #describe(thrown: unknown, errors: ReadonlyMap<string, ErrorClass> = new Map()): Exception {
    return describeException(thrown, errors, (value) => problemOf(value, "") === undefined);
  }
}

/** Whether somebody waits for a chunk. Its signal is made when a task asks for it. */
class Cancellation {
  #controller: AbortController | undefined;
  #reason: DOMException | undefined;

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  cancel(): void {
    this.#reason = new DOMException("The task was cancelled", "AbortError");
    this.#controller?.abort(this.#reason);
  }

  throwIfCancelled(): void {
    if (this.#reason) throw this.#reason;
  }
}

const actorDefinition: Definition = { create: () => refuseCreation() };

function refuseCreation(): never {
  throw new TypeError("Actors are made by pool.actor()");
}

function findFunction(
  exported: Record<string, unknown>,
  module: string,
  name: string,
): TaskFunction {
  const found = exported[name];
  if (typeof found === "function") return found as TaskFunction;
  const names = Object.keys(exported).filter((key) => typeof exported[key] === "function");
  throw new TypeError(
    `The module "${module}" exports no function "${name}", but ${
      names.map((known) => `"${known}"`).join(", ") || "none at all"
    }`,
  );
}
