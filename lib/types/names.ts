/**
 * The names that mean something already: no typeid and no method of a proxy can have them.
 *
 * Above: `types.ts`, `exposure.ts`. Below: nothing.
 *
 * @module
 */

/** @internal */
const managerMembers = [
  "create",
  "close",
  "shutdown",
  "join",
  "closed",
  "env",
  "address",
  "publish",
  "lookup",
  "unpublish",
  "named",
  "importProxy",
  "numberOfObjects",
  "debugInfo",
] as const;

/** @internal */
const builtinTypeids = [
  "list",
  "dict",
  "set",
  "namespace",
  "value",
  "array",
  "queue",
  "lifoQueue",
  "priorityQueue",
  "joinableQueue",
  "lock",
  "rlock",
  "rwLock",
  "semaphore",
  "boundedSemaphore",
  "condition",
  "event",
  "barrier",
  "countDownLatch",
  "rateLimiter",
  "pool",
] as const;

/**
 * What a creation method can never be called: the language looks for these names by itself.
 *
 * @internal
 */
const languageNames = [
  "then",
  "constructor",
  "toJSON",
  "toString",
  "toLocaleString",
  "valueOf",
  "hasOwnProperty",
  "isPrototypeOf",
  "propertyIsEnumerable",
] as const;

/**
 * What is never a method of a proxy, `exposed` or not.
 *
 * @internal
 */
const neverExposed = ["then", "constructor", "toJSON", "toString", "valueOf"] as const;

/** The names that no typeid may have. */
export type ReservedName =
  | typeof managerMembers[number]
  | typeof builtinTypeids[number]
  | typeof languageNames[number]
  | `__${string}__`;

/** The names that are never a method of a proxy, `exposed` or not. */
export type NeverExposed = typeof neverExposed[number] | `__${string}__`;

/** The longest name of a typeid or a published object, in bytes of UTF-8. */
export const maxNameBytes = 128;

/** Whether a proxy can never have a method of that name. */
export function isNeverExposed(name: string): boolean {
  return (neverExposed as readonly string[]).includes(name) || isDunder(name);
}

function isDunder(name: string): boolean {
  return /^__.*__$/s.test(name);
}

/**
 * Checks the name of a typeid.
 *
 * @throws {TypeError} It is empty, too long, or taken by the manager, a built-in or the language.
 */
export function checkName(name: string): void {
  const refuse = (why: string) => {
    throw new TypeError(`The typeid "${name}" is refused: ${why}; choose another name`);
  };
  if (name === "") refuse("the name is empty");
  if (/\p{Surrogate}/u.test(name)) refuse("the name has a lone surrogate");
  const bytes = new TextEncoder().encode(name).byteLength;
  if (bytes > maxNameBytes) refuse(`it has ${bytes} bytes, the limit is ${maxNameBytes}`);
  if ((builtinTypeids as readonly string[]).includes(name)) refuse("it is a built-in typeid");
  if ((managerMembers as readonly string[]).includes(name)) refuse("it is a member of the manager");
  if ((languageNames as readonly string[]).includes(name) || isDunder(name)) {
    refuse("JavaScript gives that name a meaning of its own");
  }
}
