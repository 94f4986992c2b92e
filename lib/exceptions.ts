/**
 * Exceptions as data: what a referent threw is described in the server and rebuilt in the client,
 * with its class where both sides know it. No class is looked up through a prototype and no
 * constructor of a user runs.
 *
 * Above: client.ts, session.ts. Below: errors.ts.
 *
 * @module
 */

import { managerErrors, RemoteError } from "./errors.ts";

/** A class of exceptions. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/** A thrown value as plain data; what a serializer carries in a reply with the status of an error. */
export type Exception = ErrorData | { readonly thrown: unknown };

interface ErrorData {
  /** The name of its class, if both sides may know it. */
  readonly class: string | null;
  /** Whose class it is. */
  readonly origin: "builtin" | "manager" | "user" | "unknown";
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Own data properties. */
  readonly own: readonly (readonly [string, unknown])[];
  readonly cause?: Exception;
  /** Of an AggregateError. */
  readonly errors?: readonly Exception[];
}

/** Where an exception came from. */
export interface ExceptionSource {
  readonly typeid: string;
  readonly method: string;
}

const builtinErrors: ReadonlyMap<string, ErrorClass> = new Map<string, ErrorClass>([
  ["Error", Error],
  ["TypeError", TypeError],
  ["RangeError", RangeError],
  ["SyntaxError", SyntaxError],
  ["ReferenceError", ReferenceError],
  ["EvalError", EvalError],
  ["URIError", URIError],
  ["AggregateError", AggregateError],
  ["DOMException", DOMException],
]);

const maxCauses = 16;
const maxTextLength = 64 * 1024;
const structural = new Set(["name", "message", "stack", "cause", "errors"]);

/** Describes what was thrown. `canSend` decides which own properties and causes can go along. */
export function describeException(
  thrown: unknown,
  userErrors: ReadonlyMap<string, ErrorClass>,
  canSend: (value: unknown) => boolean,
  depth = 0,
): Exception {
  if (!(thrown instanceof Error)) return { thrown: canSend(thrown) ? thrown : textOf(thrown) };
  const nested = (value: unknown) => describeException(value, userErrors, canSend, depth + 1);
  const goDeeper = depth < maxCauses;
  return {
    ...classOf(thrown, userErrors),
    name: String(thrown.name),
    message: String(thrown.message).slice(0, maxTextLength),
    stack: String(thrown.stack ?? "").slice(0, maxTextLength),
    own: ownProperties(thrown, canSend),
    ...(goDeeper && Object.hasOwn(thrown, "cause") ? { cause: nested(thrown.cause) } : {}),
    ...(goDeeper && thrown instanceof AggregateError
      ? { errors: [...thrown.errors].slice(0, 1024).map(nested) }
      : {}),
  };
}

/** The text of whatever was thrown: code of a user's may run, but not throw. */
export function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "a value that has no text";
  }
}

/** Only the exact class counts: an unknown subclass of a known class would lose what it adds. */
function classOf(
  error: Error,
  userErrors: ReadonlyMap<string, ErrorClass>,
): Pick<ErrorData, "class" | "origin"> {
  const prototype = Object.getPrototypeOf(error);
  const families = [["user", userErrors], ["builtin", builtinErrors], [
    "manager",
    managerErrors,
  ]] as const;
  for (const [origin, classes] of families) {
    for (const [name, Class] of classes) {
      if (Class.prototype === prototype) return { class: name, origin };
    }
  }
  return { class: null, origin: "unknown" };
}

function ownProperties(
  error: Error,
  canSend: (value: unknown) => boolean,
): (readonly [string, unknown])[] {
  const own: (readonly [string, unknown])[] = [];
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(error))) {
    // What is not enumerable is the engine's: Bun adds line, column and sourceURL.
    const isData = property.enumerable && "value" in property && !structural.has(key);
    if (isData && canSend(property.value)) own.push([key, property.value]);
  }
  return own;
}

/** Rebuilds what was thrown, to be thrown again. */
export function rebuildException(
  exception: unknown,
  userErrors: ReadonlyMap<string, ErrorClass>,
  source: ExceptionSource,
): unknown {
  const data = exception as Partial<ErrorData & { thrown: unknown }> | null;
  if (typeof data !== "object" || data === null) return remote({}, undefined, source);
  if ("thrown" in data) {
    return new RemoteError(
      `"${source.method}" of typeid "${source.typeid}" threw a value that is no Error`,
      { ...source, cause: data.thrown, remoteName: typeof data.thrown },
    );
  }
  return rebuildError(data, userErrors, source);
}

function rebuildError(
  data: Partial<ErrorData>,
  userErrors: ReadonlyMap<string, ErrorClass>,
  source: ExceptionSource,
): Error {
  const nested = (value: Exception) =>
    "thrown" in value ? value.thrown : rebuildError(value, userErrors, source);
  const error = construct(data, userErrors) ?? remote(data, data.name, source);
  define(error, "stack", text(data.stack) || error.stack);
  if (data.cause) define(error, "cause", nested(data.cause));
  if (Array.isArray(data.errors)) define(error, "errors", data.errors.map(nested));
  for (const [key, value] of Array.isArray(data.own) ? data.own : []) {
    if (typeof key !== "string" || structural.has(key)) continue;
    Object.defineProperty(error, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return error;
}

/** An error of a class that both sides know; undefined for any other. */
function construct(
  data: Partial<ErrorData>,
  userErrors: ReadonlyMap<string, ErrorClass>,
): Error | undefined {
  const name = text(data.class);
  const message = text(data.message);
  if (data.origin === "builtin") {
    const Class = builtinErrors.get(name);
    if (!Class) return undefined;
    if (name === "DOMException") return new DOMException(message, text(data.name));
    return withPrototype(Class, message, data);
  }
  const Class = data.origin === "user"
    ? userErrors.get(name)
    : data.origin === "manager"
    ? managerErrors.get(name)
    : undefined;
  return Class && withPrototype(Class, message, data);
}

/** A real Error - the engines mark them - with the prototype of its class. */
function withPrototype(Class: ErrorClass, message: string, data: Partial<ErrorData>): Error {
  const error = new Error(message);
  Object.setPrototypeOf(error, Class.prototype);
  if (error.name !== data.name) define(error, "name", text(data.name));
  return error;
}

function remote(
  data: Partial<ErrorData>,
  remoteName: unknown,
  source: ExceptionSource,
): RemoteError {
  return new RemoteError(`${text(remoteName) || "Error"}: ${text(data.message)}`, {
    ...source,
    remoteName: text(remoteName) || "Error",
    remoteStack: text(data.stack),
  });
}

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
