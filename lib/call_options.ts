/**
 * The options of calls and tickets, and the checks of them: a bad one is refused, never ignored.
 *
 * Above: proxy.ts, proxies/, client/, manager/facade.ts. Below: nothing.
 *
 * @module
 */

/** How long to wait for one call, and what ends it early. */
export interface CallOptions {
  /** Milliseconds; `undefined` and `Infinity`: no limit. */
  timeout?: number;
  /** Aborting it ends the call; the call rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** How long a ticket is good, and how often. */
export interface ExportOptions {
  /** How many times the ticket can be imported. Default 1. */
  uses?: number;
  /** Milliseconds until the ticket expires. Default 60 000. */
  ttl?: number;
}

/** The same inside the library. */
export interface TicketOptions extends ExportOptions {
  /** The ticket ends with the session that made it, at the latest. */
  bound?: boolean;
}

/**
 * A bad timeout or signal is a TypeError or RangeError here, not a call that never ends; so is any
 * other option, where `what` says whose they are.
 */
export function checkedOptions(options: CallOptions, what?: string): CallOptions {
  checkObject(options, "{ timeout, signal }");
  if (what !== undefined) checkNames(what, options, ["timeout", "signal"]);
  const { timeout, signal } = options;
  if (timeout !== undefined && !(typeof timeout === "number" && timeout >= 0)) {
    throw new RangeError(`A timeout must be 0 or more milliseconds, got "${timeout}"`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`A signal must be an AbortSignal, got "${String(signal)}"`);
  }
  return options;
}

/** Options that are no object would be ignored without a word, and `join(5)` wait for ever. */
export function checkObject(options: unknown, shape: string): void {
  if (options instanceof AbortSignal) {
    throw new TypeError(
      `Options must be an object such as ${shape}, got a signal: write { signal }`,
    );
  }
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return;
  throw new TypeError(`Options must be an object such as ${shape}, got ${show(options)}`);
}

/** A misspelt option would be ignored without a word, too. */
export function checkNames(what: string, options: object, names: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    throw new TypeError(`${what} has no option "${name}": it takes ${names.join(", ")}`);
  }
}

/** What the option `initializer` takes. */
export const initializerShape =
  '{ module, export, args }: module the text of a URL, such as import.meta.resolve("./setup.ts"), export a name, args an array';

/** Whether it is an initializer, of a server or a pool. */
export function isInitializer(value: unknown): boolean {
  const { module, export: name, args, ...others } = Object(value) as Record<string, unknown>;
  return typeof module === "string" && URL.canParse(module) &&
    (name === undefined || typeof name === "string") &&
    (args === undefined || Array.isArray(args)) && Object.keys(others).length === 0;
}

/** Takes timeout and signal out of the options argument of a call that waits; the rest of it is sent. */
export function waitArguments(
  args: unknown[],
  position: number,
  defaults: CallOptions | undefined,
): { args: unknown[]; options: CallOptions | undefined } {
  const own = args[position];
  if (own === undefined) return { args, options: defaults };
  checkObject(own, "{ timeout, signal }");
  const { timeout, signal, ...rest } = own as CallOptions & Record<string, unknown>;
  checkedOptions({ timeout, signal });
  return {
    args: args.with(position, rest),
    options: { timeout: timeout ?? defaults?.timeout, signal: signal ?? defaults?.signal },
  };
}

/** The call's own options win over the view's. */
export function mergeOptions(defaults?: CallOptions, own?: CallOptions): CallOptions | undefined {
  if (!defaults || !own) return own ?? defaults;
  return { timeout: own.timeout ?? defaults.timeout, signal: own.signal ?? defaults.signal };
}

/** A value for an error text. Not `String(value)` of an object: that may be empty, or throw. */
export function show(value: unknown): string {
  return typeof value === "object" && value !== null
    ? Object.prototype.toString.call(value)
    : `"${String(value)}"`;
}
