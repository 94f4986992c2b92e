/**
 * A session: what the server knows of one client. It reads the client's messages, starts its calls
 * in their order and answers each when it is done; it owns the client's holds and handles, and frees
 * them all when the connection ends, however that happens. The mirror image of client/client.ts.
 *
 * Above: server.ts. Below: invocation.ts, registry.ts, connection.ts.
 *
 * @module
 */

import {
  ConnectionClosedError,
  LimitExceededError,
  ManagerError,
  NotExposedError,
  ProtocolError,
  UnknownObjectError,
} from "../errors.ts";
import type { Connection, Receiver } from "../wire/connection.ts";
import type { Fields } from "../wire/frame.ts";
import {
  type Call,
  iteratorMethods,
  Kind,
  pieceBytes,
  readCall,
  serverMethods,
  Target,
  writeJson,
} from "../wire/protocol.ts";
import { Cursor, type Portion } from "./cursor.ts";
import { type CallerContext, isPromise } from "./invocation.ts";
import type { Entry } from "./registry.ts";
import { type Hold, Replies, type ReplyHost } from "./replies.ts";

/** What a session needs of its server. */
export interface SessionHost extends ReplyHost {
  /** Why no new call is started, or undefined. */
  readonly draining: Error | undefined;
  /** Evaluates one of the server's own methods. */
  callServer(session: Session, method: typeof serverMethods[number], args: unknown[]): unknown;
  /** The session is over; all that it held is free. */
  sessionEnded(session: Session): void;
}

/** A call whose result is still to come. */
interface RunningCall {
  readonly id: number;
  /** Made when the method asks for its caller's signal. */
  controller: AbortController | undefined;
  /** Why nobody waits for the call any more. */
  cancelled: Error | undefined;
  readonly waits: boolean;
  readonly builtin: boolean;
  /** Keeps the referent alive. */
  readonly entry: Entry | undefined;
}

/** A portion of an iterator is cut where it would exceed this, as long as one item is left. */
const maxPortionBytes = pieceBytes;

/** What comes with an iterator that is read only when somebody asks for an item. */
const notYet: Portion = { values: [], done: false };

/** One client's session. */
export class Session implements Receiver {
  /** Unique in its server. */
  readonly id: string;
  readonly #host: SessionHost;
  readonly #connection: Connection;
  readonly #replies: Replies;
  readonly #handles = new Map<number, Cursor>();
  readonly #running = new Map<number, RunningCall>();
  #nextHandle = 1;
  #waiters = 0;
  #runningUserCalls = 0;
  #whenIdle: (() => void) | undefined;

  /** Opens the session over an authenticated connection. */
  constructor(id: string, host: SessionHost, connection: Connection, maxPayloadBytes: number) {
    this.id = id;
    this.#host = host;
    this.#connection = connection;
    this.#replies = new Replies(host, connection, maxPayloadBytes);
  }

  /** The objects that the session holds, with the receipts of each. */
  get holds(): ReadonlyMap<number, Hold> {
    return this.#replies.holds;
  }

  /** Bytes on their way to the client. */
  get outputBytes(): number {
    return this.#connection.outputBytes;
  }

  /** Resolves when no call is running. */
  idle(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle = resolve);
  }

  /** Counts what `debugInfo` tells of a session. */
  describe(): Record<string, number> {
    return {
      objects: this.holds.size,
      receipts: this.#replies.receipts,
      running: this.#running.size - this.#waiters,
      waiting: this.#waiters,
      iterators: this.#handles.size,
      outputBytes: this.outputBytes,
    };
  }

  /** Method tables that the client was told in its welcome. */
  knowTables(ids: Iterable<number>): void {
    this.#replies.knowTables(ids);
  }

  /** The entry that the client holds under this number; refused even if others hold it. */
  held(id: number): Entry {
    return this.#replies.held(id);
  }

  /** Tells the client that the server ends, and why; parked calls reject at once. */
  announceEnd(reason: Error): void {
    writeJson(this.#connection.output, Kind.Bye, { reason: reason.message });
    this.#connection.schedule();
    for (const call of this.#running.values()) {
      if (call.waits) call.controller?.abort(reason);
    }
  }

  /** Sends what is due, then ends the session. */
  end(reason: Error): void {
    this.#connection.end(reason);
  }

  /** Ends the session at once. */
  abort(reason: Error): void {
    this.#connection.close(reason);
  }

  // What the connection tells.

  message(kind: number, fields: Fields): void {
    switch (kind) {
      case Kind.Call:
        return this.#call(readCall(fields));
      case Kind.Cancel:
        return this.#cancel(fields.varint());
      case Kind.Release:
        return this.#replies.release(fields.varint(), fields.varint());
      default:
        throw new ProtocolError(`Unexpected message of kind ${kind} from a client`);
    }
  }

  closed(reason: Error): void {
    const over = new ConnectionClosedError(`The session of the caller ended`, { cause: reason });
    for (const call of this.#running.values()) {
      call.cancelled = over;
      call.controller?.abort(over);
    }
    for (const cursor of this.#handles.values()) ignoreFailure(() => cursor.return());
    this.#handles.clear();
    this.#replies.releaseAll();
    this.#whenIdle?.();
    this.#host.sessionEnded(this);
  }

  #cancel(id: number): void {
    const call = this.#running.get(id);
    if (!call) return;
    call.cancelled = new ManagerError("The caller cancelled the call");
    call.controller?.abort(call.cancelled);
  }

  // Calls.

  #call(call: Call): void {
    if (this.#running.has(call.id)) throw new ProtocolError(`Call ${call.id} runs already`);
    let result: unknown;
    let running: RunningCall;
    try {
      if (this.#host.draining) throw this.#host.draining;
      const args = this.#arguments(call);
      running = this.#prepare(call);
      result = this.#start(call, args, running);
    } catch (error) {
      this.#replies.exception(call.id, error);
      return;
    }
    if (isPromise(result)) this.#track(running, result);
    else this.#answer(call.id, result);
  }

  #arguments(call: Call): unknown[] {
    if (call.payload.length === 0) return [];
    const proxies = call.references.map((id) => this.held(id).proxy);
    const { owner, serializer } = this.#host;
    const args = serializer.decode(call.payload, owner.incoming(proxies));
    if (!Array.isArray(args)) throw new ProtocolError("The arguments of a call are no array");
    return args;
  }

  #prepare(call: Call): RunningCall {
    const entry = call.target === Target.Object ? this.held(call.targetId) : undefined;
    const waits = entry !== undefined && this.#host.owner.invoker.waits(entry, call.method);
    const builtin = entry?.definition.proxyName !== undefined;
    if (entry && !builtin && this.#runningUserCalls >= this.#host.limits.maxRunningCalls) {
      throw new LimitExceededError(
        `This session has ${this.#runningUserCalls} calls running (limit maxRunningCalls): await some of them first, or raise the limit`,
      );
    }
    return { id: call.id, controller: undefined, waits, builtin, entry, cancelled: undefined };
  }

  #start(call: Call, args: unknown[], running: RunningCall): unknown {
    switch (call.target) {
      case Target.Object:
        return this.#host.owner.invoker.invoke(
          running.entry!,
          call.method,
          args,
          this.#caller(running, call.timeout),
        );
      case Target.Handle:
        return this.#callHandle(call.targetId, call.method);
      case Target.Server: {
        const method = serverMethods[call.method];
        if (method) return this.#host.callServer(this, method, args);
      }
    }
    throw new NotExposedError(`Unknown method ${call.method} of target ${call.target}`);
  }

  #caller(running: RunningCall, timeout: number | undefined): CallerContext {
    const { registry } = this.#host.owner;
    return {
      id: this.id,
      timeout,
      get signal() {
        if (!running.controller) {
          running.controller = new AbortController();
          if (running.cancelled) running.controller.abort(running.cancelled);
        }
        return running.controller.signal;
      },
      share: (object, typeid) => registry.share(object, typeid).proxy as never,
    };
  }

  #track(call: RunningCall, result: Promise<unknown>): void {
    this.#running.set(call.id, call);
    if (call.waits) this.#waiters++;
    else if (!call.builtin) this.#runningUserCalls++;
    if (call.waits && this.#waiters > this.#host.limits.maxWaiters) {
      call.controller?.abort(
        new LimitExceededError(
          `This session has ${this.#host.limits.maxWaiters} calls waiting (limit maxWaiters): use fewer, or raise the limit`,
        ),
      );
    }
    result.then(
      (value) => this.#settle(call, () => this.#answer(call.id, value)),
      (error) => this.#settle(call, () => this.#reject(call, error)),
    );
  }

  #settle(call: RunningCall, reply: () => void): void {
    this.#running.delete(call.id);
    if (call.waits) this.#waiters--;
    else if (!call.builtin) this.#runningUserCalls--;
    // A cancelled call has no caller left, unless the server decides how it ends.
    if (!this.#connection.closed && (!call.cancelled || call.waits)) reply();
    if (this.#running.size === 0) this.#whenIdle?.();
  }

  #reject(call: RunningCall, error: unknown): void {
    if (call.cancelled && call.cancelled === error) this.#replies.cancelled(call.id);
    else this.#replies.exception(call.id, error);
  }

  // Handles.

  #callHandle(id: number, method: number): unknown {
    const cursor = this.#handles.get(id);
    if (iteratorMethods[method] === "return") {
      this.#handles.delete(id);
      return cursor?.return();
    }
    if (!cursor || iteratorMethods[method] !== "next") {
      throw new UnknownObjectError(
        `This session has no iterator ${id}: it is done or was returned`,
      );
    }
    return this.#read(id, cursor);
  }

  /** The next portion; an iterator that fails or is done is freed. */
  #read(id: number, cursor: Cursor): Portion | Promise<Portion> {
    const fail = (error: unknown): never => {
      this.#handles.delete(id);
      throw error;
    };
    const send = (portion: Portion) => {
      const sent = this.#cut(cursor, portion);
      if (sent.done) this.#handles.delete(id);
      return sent;
    };
    try {
      const portion = cursor.next();
      return portion instanceof Promise ? portion.then(send).catch(fail) : send(portion);
    } catch (error) {
      return fail(error);
    }
  }

  /** Leaves in the cursor what would make a reply too long. */
  #cut(cursor: Cursor, { values, done }: Portion): Portion {
    while (values.length > 1 && this.#replies.measure(values) > maxPortionBytes) {
      cursor.unread(values.splice(values.length >> 1));
      done = false;
    }
    return { values, done };
  }

  /** A cursor becomes a handle of the session; built-ins send the first portion along. */
  #answerCursor(id: number, cursor: Cursor): void {
    const handle = this.#nextHandle++;
    this.#handles.set(handle, cursor);
    const first = cursor.readAhead > 1 ? this.#read(handle, cursor) : notYet;
    if (first instanceof Promise) {
      first.then(
        (portion) => this.#replies.handle(id, portion.done ? 0 : handle, portion),
        (error) => this.#replies.exception(id, error),
      );
      return;
    }
    this.#replies.handle(id, first.done ? 0 : handle, first);
  }

  #answer(id: number, value: unknown): void {
    if (!(value instanceof Cursor)) return this.#replies.value(id, value);
    try {
      this.#answerCursor(id, value);
    } catch (error) {
      this.#replies.exception(id, error);
    }
  }
}

/** Ends what belongs to a session that is over: nobody is left to be told of a failure. */
function ignoreFailure(action: () => unknown): void {
  Promise.resolve().then(action).catch(() => {});
}
