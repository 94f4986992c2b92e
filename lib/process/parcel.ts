/**
 * Values on their way between two processes: bytes, and for each proxy or connection in them a ticket
 * and what it takes to join its server. Whoever unpacks gets proxies of its own.
 *
 * Above: process.ts, pool.ts, host.ts, connection.ts. Below: a serializer, tickets, manager/connect.ts.
 *
 * @module
 */

import { debug } from "../debug.ts";
import { ProtocolError, ReleasedError, SerializeError } from "../errors.ts";
import { within } from "../in_time.ts";
import { defaultLimits, maxTimeout } from "../limits.ts";
import { connect } from "../manager/connect.ts";
import { ManagerFacade } from "../manager/facade.ts";
import { type ProxyOwner, releaseProxy, repr, stateOf } from "../proxy.ts";
import { readTicket } from "../server/tickets.ts";
import { messagePack, type References, withRoot } from "../wire/serializer.ts";
import { PipeConnection } from "./connection.ts";

/**
 * One value, as it travels; data that any serializer carries. Mostly it is MessagePack alone, without
 * names around it: `bench/pool.ts` sends tasks one by one in four fifths of the time.
 */
export type Parcel = Uint8Array | LabelledParcel;

interface LabelledParcel {
  /** The value in MessagePack; its references are indexes of `passes`. */
  readonly bytes: Uint8Array;
  /** The value is an array of numbers, and the bytes are integers of 4 bytes or floats of 8. */
  readonly numbers?: 4 | 8;
  /** What the value refers to. */
  readonly passes: readonly Pass[];
}

/** How many bytes the value is. */
export function sizeOf(parcel: Parcel): number {
  return parcel instanceof Uint8Array ? parcel.length : parcel.bytes.length;
}

/** What the value refers to. */
export function passesOf(parcel: Parcel): readonly Pass[] {
  return parcel instanceof Uint8Array ? [] : parcel.passes;
}

/** What lets another process have a shared object. */
interface Pass {
  readonly ticket: string;
  /** The `env` of a manager of its server. */
  readonly env: Readonly<Record<string, string>>;
  /** It is the end of a pipe, and not only a proxy. */
  readonly connection: boolean;
}

/** A parcel and what it keeps. */
export interface Packed {
  readonly parcel: Parcel;
  /** It will not be unpacked: ends the tickets that nobody has used. */
  drop(): void;
}

/** A parcel that has not left yet. Either of these is to be called, once. */
export interface Prepared extends Packed {
  /** It is on its way: its connections belong to the receiver. */
  give(): void;
  /** It stays: its tickets end, its connections go on here. */
  keep(): void;
}

/** How long the tickets of a parcel are good. */
export interface Validity {
  /** The parcel is of no use any more when this process is gone. */
  readonly bound: boolean;
  /** Milliseconds. */
  readonly ttl: number;
}

/** Of what is sent down, to a child: until it is claimed, or this process gone. */
export const untilClaimed: Validity = { bound: true, ttl: maxTimeout };

/** Of what is sent up, by a child that may be gone when it is unpacked. */
export const forAMinute: Validity = { bound: false, ttl: 60_000 };

/** Milliseconds that a server has for a ticket, which it gives or takes at once unless it hangs. */
const patience = 10_000;

type AnyConnection = PipeConnection<never, unknown>;

/** What a value refers to, as it is encoded. */
interface Found {
  readonly proxy: object;
  readonly connection: AnyConnection | undefined;
}

const unusable = () => {
  throw new ProtocolError("These references go one way only");
};

/**
 * Packs and unpacks for one user, and knows which of its clients proxies belong to. What refers to
 * nothing is packed and unpacked at once, without a promise: most of a small task's way.
 */
export class Parcels {
  readonly #owners = new Map<string, ProxyOwner>();

  /** Proxies of this owner's server become proxies of this owner. */
  constructor(owner?: ProxyOwner) {
    if (owner) this.#learn(owner);
  }

  /**
   * Packs a value. Its connections belong to the receiver from then on.
   *
   * @throws {SerializeError} It holds what cannot be sent; the path begins with `root`.
   * @throws {TimeoutError} The server of a proxy in it has not answered in `timeout` milliseconds.
   */
  async pack(
    value: unknown,
    root: string,
    validity: Validity,
    timeout: number = patience,
  ): Promise<Packed> {
    const prepared = await this.prepare(value, root, validity, timeout);
    prepared.give();
    return prepared;
  }

  /** Packs a value, as it is now; its connections belong to nobody until it is known whether it leaves. */
  prepare(
    value: unknown,
    root: string,
    validity: Validity,
    timeout: number = patience,
  ): Prepared | Promise<Prepared> {
    const numbers = numbersIn(value);
    if (numbers) return { parcel: numbers, ...nothingFound };
    const found: Found[] = [];
    const bytes = encode(value, root, found);
    if (found.length === 0) return { parcel: bytes, ...nothingFound };
    return this.#prepareFound(bytes, found, validity, timeout);
  }

  async #prepareFound(
    bytes: Uint8Array,
    found: readonly Found[],
    validity: Validity,
    timeout: number,
  ): Promise<Prepared> {
    const stay = leave(found.flatMap(({ connection }) => connection ?? []));
    try {
      const exports = found.map(({ proxy }) => this.#export(proxy, validity, timeout));
      const tickets = await allOrNone(exports, ({ revoke }) => revoke());
      const drop = () => tickets.forEach(({ revoke }) => revoke());
      return {
        parcel: { bytes, passes: tickets.map(({ pass }, i) => withKind(pass, found[i]!)) },
        drop,
        give: () => found.forEach(({ connection }) => connection?.give()),
        keep: () => {
          drop();
          stay();
        },
      };
    } catch (error) {
      stay();
      throw error;
    }
  }

  /** Unpacks a value, once. Rejects if one of its objects is gone, or its server, or that hangs. */
  unpack(parcel: Parcel): unknown | Promise<unknown> {
    if (parcel instanceof Uint8Array) return decode(parcel, []);
    if (parcel.numbers) return numbersFrom(parcel.bytes, parcel.numbers);
    const claims = allOrNone(parcel.passes.map((pass) => this.#claim(pass)), letGo);
    return claims.then((objects) => decode(parcel.bytes, objects));
  }

  /** Nobody will unpack it: ends its tickets, so that nobody waits for what they stand for. */
  async discard(parcel: Parcel): Promise<void> {
    await Promise.all(
      passesOf(parcel).map(async ({ ticket, env }) => {
        try {
          const { epoch, secret } = readTicket(ticket);
          await (await this.#ownerOf(epoch, env)).revokeTicket(secret);
        } catch (error) {
          debug("a ticket of a lost message stays until its time is over", () => String(error));
        }
      }),
    );
  }

  async #claim({ ticket, env, connection }: Pass): Promise<object> {
    const { epoch, secret } = readTicket(ticket);
    const owner = await this.#ownerOf(epoch, env);
    const proxy = await answered(owner, owner.importProxy(secret), patience, releaseProxy);
    return connection ? new PipeConnection(proxy, this) : proxy;
  }

  async #ownerOf(epoch: string, env: Pass["env"]): Promise<ProxyOwner> {
    const known = this.#owners.get(epoch);
    if (known?.usable) return known;
    const joined = ManagerFacade.clientOf(await connect({ env }))!;
    this.#learn(joined);
    return joined;
  }

  async #export(
    proxy: object,
    validity: Validity,
    timeout: number,
  ): Promise<{ pass: Pass; revoke: () => void }> {
    const { owner, held } = stateOf(proxy)!;
    this.#learn(owner);
    // A server that is gone has no tickets.
    const revoke = (ticket: string) =>
      void owner.revokeTicket(readTicket(ticket).secret).catch(() => {});
    const asked = owner.exportProxy(held, { uses: 1, ...validity });
    const ticket = await answered(owner, asked, timeout, revoke);
    return {
      pass: { ticket, env: { ...owner.env }, connection: false },
      revoke: () => revoke(ticket),
    };
  }

  #learn(owner: ProxyOwner): void {
    if (this.#owners.get(owner.epoch)?.usable) return;
    for (const [epoch, known] of this.#owners) if (!known.usable) this.#owners.delete(epoch);
    this.#owners.set(owner.epoch, owner);
  }
}

const nothingFound = { drop: () => {}, give: () => {}, keep: () => {} };

/** Nobody uses the connections until they are given away, or the returned function is called. */
function leave(connections: readonly AnyConnection[]): () => void {
  const left: AnyConnection[] = [];
  const stay = () => left.forEach((connection) => connection.stay());
  try {
    for (const connection of connections) {
      connection.leave();
      left.push(connection);
    }
    return stay;
  } catch (error) {
    stay();
    throw error;
  }
}

/** What was claimed for a value that cannot be unpacked. */
function letGo(claimed: object): void {
  if (claimed instanceof PipeConnection) void claimed.close().catch(() => {});
  else releaseProxy(claimed);
}

/** What a server answers in time; an answer that comes later is undone. */
function answered<T>(
  { address }: ProxyOwner,
  answer: Promise<T>,
  timeout: number,
  undo: (late: T) => void,
): Promise<T> {
  const late = `The server at "${address}" is busy or stopped: it has not answered`;
  const inTime = within(answer, timeout, undefined, late);
  inTime.catch(() => answer.then(undo, () => {}));
  return inTime;
}

/** All results; if one is missing, the others are undone. */
async function allOrNone<T>(promises: Promise<T>[], undo: (result: T) => void): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  const results = settled.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
  const failed = settled.find((one) => one.status === "rejected");
  if (!failed) return results;
  results.forEach(undo);
  throw failed.reason;
}

/** Levels of a parcel's value that are the library's own. */
const envelopeDepth = 3;

function encode(value: unknown, root: string, found: Found[]): Uint8Array {
  const references: References = {
    maxDepth: defaultLimits.maxDepth + envelopeDepth,
    indexOf: (object) => {
      const connection = object instanceof PipeConnection ? object : undefined;
      const proxy = connection ? connection.end : object;
      const state = stateOf(proxy);
      if (!state) return undefined;
      // A connection itself knows whether it can be sent.
      if (state.held.released && !connection) {
        throw new ReleasedError(`Cannot send ${repr(proxy)}: it was released`);
      }
      const { env, address } = state.owner;
      if (Object.keys(env).length === 0) throw notReachable(proxy, address);
      return found.push({ proxy, connection }) - 1;
    },
    at: unusable,
  };
  try {
    return messagePack.encode(value, references).slice(); // valid until the next call
  } catch (error) {
    throw withRoot(error, root);
  }
}

function decode(bytes: Uint8Array, objects: readonly object[]): unknown {
  return messagePack.decode(bytes, {
    maxDepth: defaultLimits.maxDepth + envelopeDepth,
    indexOf: unusable,
    at: (index) => objects[index] ?? unusable(),
  });
}

/** Shorter arrays are as quick in MessagePack. */
const minNumbers = 16;

/**
 * An array of many numbers, the usual input and result of small tasks; undefined of anything else.
 * `bench/pool.ts`: a map of 20 000 of them takes less than half the time that it takes through the
 * serializer.
 */
function numbersIn(value: unknown): LabelledParcel | undefined {
  if (!Array.isArray(value) || value.length < minNumbers) return undefined;
  let integers = true;
  for (let i = 0; i < value.length; i++) {
    const item: unknown = value[i];
    if (typeof item !== "number") return undefined;
    integers &&= (item | 0) === item && !Object.is(item, -0);
  }
  const { buffer } = integers ? new Int32Array(value) : new Float64Array(value);
  return { bytes: new Uint8Array(buffer), numbers: integers ? 4 : 8, passes: [] };
}

function numbersFrom(bytes: Uint8Array, size: 4 | 8): number[] {
  const { buffer } = bytes.slice();
  const numbers = size === 4 ? new Int32Array(buffer) : new Float64Array(buffer);
  const values = new Array<number>(numbers.length);
  for (let i = 0; i < values.length; i++) values[i] = numbers[i]!;
  return values;
}

/** Why a value cannot be packed; undefined if it can. */
export function problemOf(value: unknown, root: string): Error | undefined {
  try {
    const found: Found[] = [];
    encode(value, root, found);
    for (const { connection } of found) connection?.assertMovable();
  } catch (error) {
    return error as Error;
  }
}

function withKind(pass: Pass, { connection }: Found): Pass {
  return connection ? { ...pass, connection: true } : pass;
}

function notReachable(proxy: object, address: string): SerializeError {
  const why = address.startsWith("memory:")
    ? `its server at "${address}" is in memory; use Manager.start(), open() or serve()`
    : "it is an actor, which only the process that made its pool can use";
  return new SerializeError(`Cannot send ${repr(proxy)} to another process: ${why}`);
}
