/**
 * Every limit of the library, with its name, its unit and its default.
 *
 * Above: manager.ts, client.ts, server.ts. Below: nothing.
 *
 * @module
 */

/** What may be set with the option `limits`; each side keeps to its own and to what the other announces. */
export interface Limits {
  /** The most bytes of user value in one message. Default 64 MiB. */
  maxMessageBytes: number;
  /**
   * How deep containers may nest in one message. Default 128. The array of a call's arguments is one
   * level, of a creation two; so are the items that an iterator sends together.
   */
  maxDepth: number;
  /** The most sessions of one server. Default 1 024. */
  maxConnections: number;
  /** The most connections that have not proved the authkey; the oldest is dropped. Default 64. */
  maxHalfOpenConnections: number;
  /** Milliseconds in which a connection must prove the authkey. Default 5 000. */
  handshakeTimeout: number;
  /** The most calls of one session that wait for another caller. Default 4 096. */
  maxWaiters: number;
  /** The most async methods of users' classes that one session has running. Default 1 024. */
  maxRunningCalls: number;
  /** Bytes that wait for one session to read them, above which the server stops reading from it; less than 1 MiB counts as 1 MiB. Default 8 MiB. */
  maxOutputBytes: number;
  /** Bytes that wait for all sessions together, above which the session with the most is closed. Default 1 GiB. */
  maxTotalOutputBytes: number;
  /** Milliseconds without accepting a byte after which a session that has bytes to read is closed. Default 30 000. */
  stalledTimeout: number;
  /** The most shared objects of one server; one counts until it is collected. Default 1 000 000. */
  maxObjects: number;
  /** The most receipts that one session holds. Default 1 000 000. */
  maxHolds: number;
  /** The most workers of one pool in the server. Default 256. */
  maxWorkers: number;
  /** The most bytes of a name or a typeid in UTF-8. Default 128. */
  maxNameBytes: number;
  /** Milliseconds between two pings on TCP. Default 15 000. */
  pingInterval: number;
  /** Milliseconds of silence on TCP after which the peer counts as dead. Default 45 000. */
  pingTimeout: number;
}

/** The defaults. */
export const defaultLimits: Readonly<Limits> = Object.freeze({
  maxMessageBytes: 64 * 1024 * 1024,
  maxDepth: 128,
  maxConnections: 1024,
  maxHalfOpenConnections: 64,
  handshakeTimeout: 5_000,
  maxWaiters: 4096,
  maxRunningCalls: 1024,
  maxOutputBytes: 8 * 1024 * 1024,
  maxTotalOutputBytes: 1024 * 1024 * 1024,
  stalledTimeout: 30_000,
  maxObjects: 1_000_000,
  maxHolds: 1_000_000,
  maxWorkers: 256,
  maxNameBytes: 128,
  pingInterval: 15_000,
  pingTimeout: 45_000,
});

/** A message's bytes beside the user's value: ids, references, the names of methods. */
export const envelopeBytes: number = 64 * 1024;

/** The longest time that a timer can wait, in milliseconds; a longer one would fire at once. */
export const maxTimeout = 0x7fffffff;

/** The longest frame before authentication, in bytes. */
export const handshakeBytes = 1024;

const durations: ReadonlySet<string> = new Set(
  ["handshakeTimeout", "stalledTimeout", "pingInterval", "pingTimeout"],
);

/** The defaults with what the user set; an unknown key is a TypeError, a value that is no positive number a RangeError. */
export function resolveLimits(limits: Partial<Limits> = {}): Limits {
  const resolved: Limits = { ...defaultLimits };
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(defaultLimits, name)) {
      throw new TypeError(
        `Unknown limit "${name}": the limits are ${Object.keys(defaultLimits).join(", ")}`,
      );
    }
    if (typeof value !== "number" || !(value > 0)) {
      throw new RangeError(`Limit "${name}" must be a positive number, got "${value}"`);
    }
    resolved[name as keyof Limits] = durations.has(name) ? Math.min(value, maxTimeout) : value;
  }
  return resolved;
}
