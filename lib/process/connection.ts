/**
 * `Connection`: one end of a pipe, in the process that has it.
 *
 * Above: pipe.ts, parcel.ts, users. Below: parcel.ts packs what is sent, pipe_end.ts is the end itself.
 *
 * @module
 */

import { ConnectionClosedError, LimitExceededError } from "../errors.ts";
import { inTime, within } from "../in_time.ts";
import { defaultLimits, envelopeBytes } from "../limits.ts";
import { optionsOf } from "../objects/arguments.ts";
import { type WaitOptions, waitOptions } from "../objects/waiting.ts";
import { releaseProxy, stateOf } from "../proxy.ts";
import { type Parcel, type Parcels, passesOf, type Prepared, sizeOf } from "./parcel.ts";
import type { Message, RemoteEnd } from "./pipe_end.ts";

/**
 * One end of a {@linkcode Pipe}: sends values of `S` and receives those of `R`. It can be sent to another
 * process, in `args` or through another connection, and belongs to that one from then on.
 * Python: `multiprocessing.connection.Connection`.
 */
export interface Connection<in S = unknown, out R = S> {
  /**
   * Sends a copy of a value; proxies and connections in it are welcome. Resolves when the pipe has
   * room for it. Messages arrive in the order of the calls, awaited or not.
   *
   * Rejects with SerializeError if it cannot be sent, LimitExceededError if it is larger than 64 MiB
   * less 64 KiB, ConnectionClosedError if the other end is closed; then nothing of it was sent.
   */
  send(value: S, options?: WaitOptions): Promise<void>;
  /**
   * The next message. Rejects with ConnectionClosedError when the other end is closed, or its process
   * gone, and all that it sent was received; with TimeoutError if the server of something in the
   * message does not answer for 10 seconds. Ended by `timeout` or `signal` it loses no message.
   * Python: `recv`, and EOFError.
   */
  receive(options?: WaitOptions): Promise<R>;
  /**
   * Whether `receive` would not wait: for a message, or to say that there will be none. Waits up to
   * `timeout` milliseconds for that, by default not at all.
   */
  poll(options?: WaitOptions): Promise<boolean>;
  /**
   * Closes this end. What it has sent still arrives; what it has not received is lost. Again, or after
   * it was given away: nothing happens.
   */
  close(): Promise<void>;
  /** Whether this end was closed here or given away. */
  readonly closed: boolean;
  /** All messages up to the close of the other end. */
  [Symbol.asyncIterator](): AsyncGenerator<R, void, undefined>;
  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The most bytes of one message. With what it refers to it has room in one reply to any client. */
const maxMessageBytes = defaultLimits.maxMessageBytes - envelopeBytes;

/** A sender may be gone when its message is read: what that refers to is kept for an hour. */
const untilRead = { bound: false, ttl: 3_600_000 };

/** Milliseconds that the servers of what a message refers to have, beside its own timeout. */
const patience = 5_000;

/** A message that is here; the servers of what it refers to may not have answered yet. */
interface Arrival<R> {
  readonly number: number;
  readonly value: Promise<R>;
}

/** The message, once it is packed and those before it are on their way. */
function inTurn(
  preparing: Promise<Prepared>,
  earlier: Promise<void>,
  { timeout, signal }: WaitOptions,
): Promise<Prepared> {
  const ready = Promise.all([preparing, earlier]).then(([prepared]) => prepared);
  const late = "A server of what the message refers to, or of one before it, has not answered";
  return within(ready, timeout === undefined ? undefined : timeout + patience, signal, late);
}

/** See {@linkcode Connection}. */
export class PipeConnection<S, R> implements Connection<S, R> {
  readonly #end: RemoteEnd;
  readonly #parcels: Parcels;
  #state: "open" | "leaving" | "given" | "closed" = "open";
  /** How many wait for a message, or for its value. */
  #receiving = 0;
  /** Those whose receivers did not wait for their values. */
  readonly #unread: Arrival<R>[] = [];
  /** Resolves when all messages so far are on their way to the end, which keeps their order. */
  #issued: Promise<void> = Promise.resolve();

  /** Takes over one receipt of the end's proxy. */
  constructor(end: object, parcels: Parcels) {
    this.#end = end as RemoteEnd;
    this.#parcels = parcels;
  }

  get closed(): boolean {
    return this.#state === "closed" || this.#state === "given";
  }

  async send(value: S, options: WaitOptions = {}): Promise<void> {
    this.#assertOpen("send");
    optionsOf(options, waitOptions, "connection.send()");
    const earlier = this.#issued;
    let issued!: () => void;
    this.#issued = new Promise((resolve) => issued = resolve);
    const preparing = this.#prepare(value);
    let prepared: Prepared | undefined;
    try {
      prepared = await inTurn(preparing, earlier, options);
      this.#check(prepared.parcel);
      const accepted = this.#end.send(prepared.parcel, options);
      issued();
      await accepted;
      prepared.give();
    } catch (error) {
      if (prepared) prepared.keep();
      else preparing.then((late) => late.keep(), () => {});
      throw this.#explain(error);
    } finally {
      void earlier.then(issued);
    }
  }

  async receive(options: WaitOptions = {}): Promise<R> {
    const received = await this.#receive(options);
    if (received) return received.value;
    throw new ConnectionClosedError(
      "Nothing is left to receive: the other end of the pipe is closed (end of file)",
    );
  }

  async poll(options: WaitOptions = {}): Promise<boolean> {
    this.#assertOpen("poll");
    optionsOf(options, waitOptions, "connection.poll()");
    if (this.#unread.length > 0) return true;
    try {
      return await this.#end.poll({ ...options, timeout: options.timeout ?? 0 });
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.#assertOpen("close");
    this.#state = "closed";
    await inTime(this.#issued, patience);
    try {
      await this.#end.close();
    } catch (error) {
      if (this.#reachable) throw error; // else it is closed
    } finally {
      releaseProxy(this.#end);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<R, void, undefined> {
    for (;;) {
      const received = await this.#receive({});
      if (!received) return;
      yield received.value;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // What sends this connection to another process.

  /** The proxy of the end, for its ticket. */
  get end(): object {
    return this.#end;
  }

  /** Throws if it cannot be given away now. */
  assertMovable(): void {
    this.#assertOpen("send it");
    if (this.#unread.length > 0) {
      throw new TypeError(
        "Cannot send this connection to another process: a message that came waits for a server, receive() it first",
      );
    }
    if (this.#receiving === 0) return;
    throw new TypeError(
      "Cannot send this connection to another process while receive() waits on it: end that first",
    );
  }

  /** It is about to be given away: nobody uses it meanwhile. */
  leave(): void {
    this.assertMovable();
    this.#state = "leaving";
  }

  /** It is not given away after all. */
  stay(): void {
    this.#state = "open";
  }

  /** It is somebody else's. */
  give(): void {
    this.#state = "given";
    this.#issued.then(() => releaseProxy(this.#end));
  }

  /** The next message, or undefined at the end of file. It is given away to nobody meanwhile. */
  async #receive(options: WaitOptions): Promise<{ value: R } | undefined> {
    this.#assertOpen("receive");
    optionsOf(options, waitOptions, "connection.receive()");
    this.#receiving++;
    try {
      const arrival = this.#unread.shift() ?? await this.#next(options);
      return arrival && { value: await this.#open(arrival, options) };
    } finally {
      this.#receiving--;
    }
  }

  async #next(options: WaitOptions): Promise<Arrival<R> | undefined> {
    try {
      const message = await this.#end.receive(options);
      return message && { number: message.number, value: this.#unpack(message) };
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** The value; if its servers do not answer in time, the message is the next one again. */
  async #open(arrival: Arrival<R>, { timeout, signal }: WaitOptions): Promise<R> {
    if (timeout === undefined && !signal) return await arrival.value;
    let failed = false;
    const value = arrival.value.catch((error) => {
      failed = true;
      throw error;
    });
    const late = "A server of what the message refers to has not answered";
    try {
      const limit = timeout === undefined ? undefined : timeout + patience;
      return await within(value, limit, signal, late);
    } catch (error) {
      if (!failed) this.#putBack(arrival);
      throw error;
    }
  }

  #putBack(arrival: Arrival<R>): void {
    arrival.value.catch(() => {}); // whoever reads it is told
    const later = this.#unread.findIndex(({ number }) => number > arrival.number);
    this.#unread.splice(later < 0 ? this.#unread.length : later, 0, arrival);
  }

  async #unpack({ number, parcel }: Message): Promise<R> {
    const value = await this.#parcels.unpack(parcel) as R;
    // Tells the end that nothing of it will be lost with this process; a closed end knows.
    if (passesOf(parcel).length > 0) this.#end.claimed(number).catch(() => {});
    return value;
  }

  async #prepare(value: S): Promise<Prepared> {
    return await this.#parcels.prepare(value, "value", untilRead);
  }

  #check(parcel: Parcel): void {
    const bytes = sizeOf(parcel);
    if (bytes > maxMessageBytes) {
      throw new LimitExceededError(
        `Cannot send a message of ${bytes} bytes through a pipe, which takes ${maxMessageBytes} (limit maxMessageBytes, less 64 KiB): send it in parts`,
      );
    }
    const own = stateOf(this.#end)!.owner.address;
    if (
      passesOf(parcel).some(({ connection, env }) => connection && env["REFERENT_ADDRESS"] === own)
    ) {
      throw new TypeError("Cannot send an end of a pipe through the same pipe: use another one");
    }
  }

  get #reachable(): boolean {
    return stateOf(this.#end)!.owner.usable;
  }

  #assertOpen(action: string): void {
    if (this.#state === "open") return;
    if (this.#state === "closed") {
      throw new ConnectionClosedError(`Cannot ${action}: this connection was closed here`);
    }
    const what = this.#state === "given" ? "was given away" : "is being given away";
    throw new TypeError(
      `Cannot ${action}: this connection ${what}, to whom it was sent; each end of a pipe has one owner`,
    );
  }

  /** Without its pipe nobody can tell what the other end had sent. */
  #explain(error: unknown): unknown {
    if (this.#reachable || !(error instanceof ConnectionClosedError)) return error;
    if (this.#state === "closed") return error;
    return new ConnectionClosedError(
      "The pipe is gone with the process that made it; what was not received is lost",
      { cause: error },
    );
  }
}
