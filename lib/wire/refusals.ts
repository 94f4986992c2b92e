/**
 * The errors of serializers: what cannot be sent and where it is in the value, such as
 * `args[0].user.avatar`, and what cannot be read.
 *
 * Above: every file of the serializers, and the client, which puts `args` before the path.
 * Below: the error tree.
 *
 * @module
 */

import { LimitExceededError, ManagerError, ProtocolError, SerializeError } from "../errors.ts";

/** A longer path is shortened in its middle. */
const maxPathLength = 256;

/**
 * An error that knows the path of what it is about. The property `path` is not enumerable; the
 * path is relative to the encoded value, and empty for the value itself.
 */
export interface Located {
  /** Such as `[0].user.avatar`. */
  readonly path: string;
}

/** Makes the error that says why the value at `path` cannot be sent, and the cure. */
export function notSerializable(path: string, what: string, cure?: string): SerializeError {
  return locate(new SerializeError(beginning(path) + what + (cure ? `; ${cure}` : "")), path);
}

/** Makes the error that says which limit the value at `path` exceeds, and the cure. */
export function beyondLimit(path: string, what: string, cure: string): LimitExceededError {
  return locate(new LimitExceededError(`${beginning(path)}${what}; ${cure}`), path);
}

/**
 * Puts `root` before the path of an error: `withRoot(error, "args")` turns `[0].user` into
 * `args[0].user`. Where the value stands inside an envelope of the library's, `inside` is its place
 * there, which is left out. Anything that is not an error with a path is given back as it is.
 */
export function withRoot(error: unknown, root: string, inside = ""): unknown {
  if (!isLocated(error)) return error;
  const path = root +
    (error.path.startsWith(inside) ? error.path.slice(inside.length) : error.path);
  const message = beginning(path) + error.message.slice(beginning(error.path).length);
  const Class = error instanceof LimitExceededError ? LimitExceededError : SerializeError;
  return locate(new Class(message, causeOf(error)), path);
}

/** What `encode` throws for `error`, which was thrown while the value at `path` was read. */
export function located(error: unknown, path: string): unknown {
  if (isLocated(error)) return error;
  if (error instanceof SerializeError) {
    return locate(new SerializeError(beginning(path) + error.message, causeOf(error)), path);
  }
  if (error instanceof ManagerError) return error;
  const message = `${beginning(path)}reading it failed: ${textOf(error)}`;
  return locate(new SerializeError(message, { cause: error }), path);
}

/** What `encode` throws if the codec itself failed on a value that was already checked. */
export function notEncoded(name: string, error: unknown): unknown {
  if (error instanceof ManagerError) return error;
  if (error instanceof RangeError) {
    const what = `it does not fit into one message (${error.message}); send it in parts`;
    return locate(new LimitExceededError(beginning("") + what, { cause: error }), "");
  }
  const what = `the serializer "${name}" failed: ${textOf(error)}`;
  return locate(new SerializeError(beginning("") + what, { cause: error }), "");
}

/** What `decode` throws for whatever went wrong in it. */
export function malformed(name: string, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  const message = `Cannot decode a value with the serializer "${name}": ${textOf(error)}`;
  return new ProtocolError(message, { cause: error });
}

/**
 * Writes the path of `keys`, where `keys[i]` is a position in `containers[i]`: `[0]` in an array,
 * `.user` or `["odd key"]` in an object, `.keys()[0]` and `.values()[0]` in a map, `.values()[0]`
 * in a set.
 */
export function formatPath(
  containers: readonly object[],
  keys: readonly (string | number | undefined)[],
  length: number,
): string {
  let path = "";
  for (let i = 0; i < length; i++) path += segment(containers[i]!, keys[i]);
  return path;
}

function segment(container: object, key: string | number | undefined): string {
  if (key === undefined) return "";
  if (typeof key === "string") {
    return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  }
  if (Array.isArray(container)) return `[${key}]`;
  // A map counts its keys and values in turn.
  if (container instanceof Map) return `.${key % 2 ? "values" : "keys"}()[${key >> 1}]`;
  return `.values()[${key}]`;
}

function beginning(path: string): string {
  return path === "" ? "Cannot send the value: " : `Cannot send "${shorten(path)}": `;
}

function shorten(path: string): string {
  if (path.length <= maxPathLength) return path;
  const half = maxPathLength / 2;
  return `${path.slice(0, half)}…${path.slice(-half)}`;
}

function isLocated(error: unknown): error is ManagerError & Located {
  return error instanceof ManagerError && Object.hasOwn(error, "path");
}

function locate<E extends ManagerError>(error: E, path: string): E {
  return Object.defineProperty(error, "path", { value: path, configurable: true });
}

function causeOf(error: ManagerError): { cause: unknown } | undefined {
  return "cause" in error ? { cause: error.cause } : undefined;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : typeof error;
}
