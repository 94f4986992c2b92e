/**
 * `defineTasks`: what a user's module says of the functions and classes that workers run. Workers
 * import that module; a task itself never travels, only its module and its name.
 *
 * Above: pool.ts, host.ts, users. Below: the names, types/exposure.ts.
 *
 * @module
 */

import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { managerErrors, ProcessError } from "../errors.ts";
import type { ErrorClass, Exception } from "../exceptions.ts";
import { isClass, isNative } from "../types/exposure.ts";
import { isNeverExposed, maxNameBytes } from "../types/names.ts";
import { show } from "../call_options.ts";
import { childEntry, isProgram } from "../runtime.ts";
import { thread } from "./child.ts";

/** A function that workers run. It may be async. */
// deno-lint-ignore no-explicit-any -- any function is a task
export type TaskFunction = (...args: any[]) => unknown;

/** A class whose instances live in workers. */
// deno-lint-ignore no-explicit-any -- any class may be an actor's
export type ActorClass = new (...args: any[]) => object;

/** What `defineTasks` takes: functions, classes for `actor`, and classes of exceptions, by name. */
export type TaskDefinitions = Readonly<Record<string, TaskFunction | ActorClass>>;

/** Where workers find a task. */
export class Task<out F extends TaskFunction | ActorClass = TaskFunction | ActorClass> {
  readonly #brand = true;
  /** The URL of the module that defines it. */
  readonly module: string;
  /** Its name in there. */
  readonly name: string;
  /** The function or class itself. */
  readonly callable: F;
  readonly #errors: ReadonlyMap<string, ErrorClass> | undefined;

  /** Made by {@linkcode defineTasks}, and by a server for a caller elsewhere: without `errors`. */
  constructor(
    module: string,
    name: string,
    callable: F,
    errors: ReadonlyMap<string, ErrorClass> | undefined,
  ) {
    this.module = module;
    this.name = name;
    this.callable = callable;
    this.#errors = errors;
    Object.freeze(this);
  }

  /** The exceptions of its module; undefined if only the caller, in another process, knows them. */
  static errorsOf(task: Task): ReadonlyMap<string, ErrorClass> | undefined {
    return task.#errors;
  }

  /** Whether `value` is a task. */
  static is(value: unknown): value is Task {
    return typeof value === "object" && value !== null && #brand in value;
  }
}

/** What a task threw whose caller is in another process: there it becomes what it was. */
export class RelayedError extends Error {
  /** Data, which {@linkcode describeException} lets along. */
  readonly taskException: Exception;

  constructor(exception: Exception) {
    const { name, message } = "thrown" in exception
      ? { name: "RelayedError", message: "The task threw a value that is no Error" }
      : exception;
    super(message);
    Object.defineProperty(this, "name", { value: name });
    this.taskException = exception;
  }
}

/** The tasks of one module by name; what {@linkcode defineTasks} gives. */
export type Tasks<D extends TaskDefinitions = TaskDefinitions> =
  & TaskSet
  & {
    readonly [K in keyof D]: D[K] extends new (...args: never[]) => Error ? D[K] : Task<D[K]>;
  };

/** What all results of {@linkcode defineTasks} have in common. */
export class TaskSet {
  readonly #module: string;
  readonly #tasks = new Map<string, Task>();
  readonly #errors = new Map<string, ErrorClass>();

  /** Made by {@linkcode defineTasks} only. */
  constructor(module: string, definitions: TaskDefinitions) {
    this.#module = module;
    for (const [name, value] of Object.entries(definitions)) {
      checkTask(name, value);
      if (isErrorClass(value)) this.#errors.set(name, value);
      else this.#tasks.set(name, new Task(module, name, value, this.#errors));
    }
    Object.assign(this, Object.fromEntries([...this.#errors, ...this.#tasks]));
    Object.freeze(this);
  }

  /** Whether `value` was made by {@linkcode defineTasks} of this copy of the library. */
  static is(value: unknown): value is TaskSet {
    return typeof value === "object" && value !== null && #tasks in value;
  }

  /** The URL of the module. */
  static moduleOf(set: TaskSet): string {
    return set.#module;
  }

  /** The tasks by name. */
  static tasksOf(set: TaskSet): ReadonlyMap<string, Task> {
    return set.#tasks;
  }
}

/**
 * Names the functions of this module that a `Pool` may run, and the classes whose instances may live
 * in its workers. The first argument is always `import.meta.url`: workers import that module, so it
 * should do nothing else when it is imported. Export the result, under any name. A class that
 * extends Error names an exception, which keeps its class on the way back.
 *
 * @example
 * ```ts
 * import { defineTasks } from "@referent/manager/process";
 *
 * export const tasks = defineTasks(import.meta.url, {
 *   square: (x: number) => x * x,
 * });
 * console.log(tasks.square.name); // square
 * ```
 *
 * @throws {TypeError} The first argument is no URL, a name is refused, or a value is no function.
 */
export function defineTasks<const D extends TaskDefinitions>(
  moduleUrl: string,
  definitions: D,
): Tasks<D> {
  if (typeof moduleUrl !== "string" || !URL.canParse(moduleUrl)) {
    throw new TypeError(
      `defineTasks() takes import.meta.url as its first argument, the URL of the module that workers import, not ${
        show(moduleUrl)
      }`,
    );
  }
  if (typeof definitions !== "object" || definitions === null) {
    throw new TypeError(
      `defineTasks() takes an object of functions and classes, not ${show(definitions)}`,
    );
  }
  return new TaskSet(moduleUrl, definitions) as Tasks<D>;
}

/**
 * The task of this name among what a module exports, which may also export those of others: its own
 * goes before. TypeError if there is none, or if nobody can tell which is meant.
 */
export function findTask(exported: object, module: string, name: string): Task {
  const sets = taskSets(exported).filter((set) => TaskSet.tasksOf(set).has(name));
  const exact = sets.filter((set) => TaskSet.moduleOf(set) === module);
  const own = exact.length > 0
    ? exact
    : sets.filter((set) => fileOf(TaskSet.moduleOf(set)) === fileOf(module));
  const [set, another] = own.length > 0 ? own : sets;
  if (another) {
    throw new TypeError(
      `The module "${module}" exports several results of defineTasks() with "${name}": give the tasks different names`,
    );
  }
  if (set) return TaskSet.tasksOf(set).get(name)!;
  throw new TypeError(
    `The module "${module}" exports no result of defineTasks() with "${name}": write \`export const tasks = defineTasks(import.meta.url, { ... })\` there, with the same copy of @referent/manager`,
  );
}

/** A module, however its URL is written: Node and Bun follow links, and Bun forgets the query. */
function fileOf(module: string): string {
  const url = new URL(module);
  url.search = url.hash = "";
  try {
    return url.protocol === "file:" ? realpathSync(fileURLToPath(url)) : url.href;
  } catch {
    return url.href; // without the permission to look
  }
}

/** Tells tasks apart. */
export function keyOf({ module, name }: Pick<Task, "module" | "name">): string {
  return `${name} of ${module}`;
}

/** The exceptions of an actor's module, which another module may have by the same names. */
export function errorsByKey(actor: Task, module: string): Map<string, ErrorClass> {
  const errors = [...Task.errorsOf(actor) ?? []];
  return new Map(errors.map(([name, Class]) => [keyOf({ module, name }), Class]));
}

/** What a module exports of `defineTasks`, under any name. */
function taskSets(exported: object): TaskSet[] {
  return [...new Set(Object.values(exported).filter(TaskSet.is))];
}

function checkTask(name: string, value: unknown): void {
  const refuse = (why: string) => {
    throw new TypeError(`The task "${name}" is refused: ${why}`);
  };
  if (name === "") refuse("the name is empty");
  if (new TextEncoder().encode(name).byteLength > maxNameBytes) {
    refuse(`the name has more than ${maxNameBytes} bytes`);
  }
  if (isNeverExposed(name)) refuse("JavaScript gives that name a meaning of its own");
  if (typeof value !== "function") refuse(`it takes a function or a class, not ${show(value)}`);
  if (!isErrorClass(value)) return;
  if (isNative(value) || managerErrors.has(name)) {
    refuse("the exception is known already: name only classes of your own");
  }
}

function isErrorClass(value: unknown): value is new (...args: never[]) => Error {
  return typeof value === "function" && isClass(value) &&
    (value === Error as unknown || value.prototype instanceof Error);
}

/** A module of tasks that starts workers would start workers that import it, and so on. */
export function refuseWhileImporting(what: "pool" | "process"): void {
  // Deno imports the modules of a worker before that has met its parent.
  const importsOnly = thread.importsOnly ?? isProgram(childEntry());
  if (!importsOnly || thread.cancellation.getStore()) return;
  throw new ProcessError(
    `Cannot start a ${what} while a worker imports its tasks: the module of the tasks, or one that it imports, starts one itself; move the tasks into a module of their own`,
  );
}

/**
 * The signal of the task that runs here: it aborts when nobody waits for its result any more - its
 * call was aborted, timed out or its iteration ended. A task that goes on is killed with its worker a
 * second later. Outside of a pool it is a signal that never aborts.
 *
 * @example
 * ```ts
 * import { taskSignal } from "@referent/manager/process";
 *
 * async function download(url: string): Promise<string> {
 *   return await (await fetch(url, { signal: taskSignal() })).text();
 * }
 * console.log(typeof download, taskSignal().aborted); // function false
 * ```
 */
export function taskSignal(): AbortSignal {
  return thread.cancellation.getStore()?.signal ?? new AbortController().signal;
}
