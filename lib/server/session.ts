/**
 * A session: what the server knows of one client. It reads the client's messages, starts its calls
 * in their order and answers each when it is done; it owns the client's holds and handles, and frees
 * them all when the connection ends, however that happens. The mirror image of client/client.ts.
 *
 * Above: server.ts. Below: invocation.ts, running_call.ts, handles.ts, replies.ts, connection.ts.
 *
 * @module
 */

import {
  ConnectionClosedError,
  LimitExceededError,
  ManagerError,
  NotExposedError,
  ProtocolError,
  SerializeError,
} from "../errors.ts";
import { Handover, Holding, maxBatchBytes } from "../objects/handover.ts";
import type { ClientHello } from "../wire/auth.ts";
import type { Connection, Receiver } from "../wire/connection.ts";
import type { Fields } from "../wire/frame.ts";
import {
  type Call,
  firstMethod,
  Kind,
  readCall,
  serverMethods,
  Target,
  writeJson,
} from "../wire/protocol.ts";
import { Cursor } from "./cursor.ts";
import { Handles, OpenHandle } from "./handles.ts";
import { isPromise } from "./invocation.ts";
import type { Entry } from "./registry.ts";
import { type Hold, Replies, type ReplyHost } from "./replies.ts";
import { type CallOrigin, RunningCall } from "./running_call.ts";

/** What a session needs of its server. */
export interface SessionHost extends ReplyHost {
  /** Why no new call is started, or undefined. */
  readonly draining: Error | undefined;
  /** Evaluates one of the server's own methods. */
  callServer(session: Session, method: typeof serverMethods[number], args: unknown[]): unknown;
  /** The session is over; all that it held is free. */
  sessionEnded(session: Session): void;
}

/** One call that waits for another caller, as `debugInfo()` tells of it. */
export interface CallInfo {
  /** The session that calls. */
  readonly session: string;
  /** The method. */
  readonly method: string;
  /** Milliseconds since the call began. */
  readonly time: number;
}

/** One client's session. */
export class Session implements Receiver, CallOrigin {
  /** Unique in its server. */
  readonly id: string;
  readonly #host: SessionHost;
  readonly #connection: Connection;
  readonly #pid: number | undefined;
  readonly #replies: Replies;
  readonly #handles = new Handles((value) => this.#replies.measure(value));
  readonly #running = new Map<number, RunningCall>();
  #waiters = 0;
  #runningUserCalls = 0;
  #whenIdle: (() => void) | undefined;

  /** Opens the session over an authenticated connection. */
  constructor(id: string, host: SessionHost, connection: Connection, client: ClientHello) {
    this.id = id;
    this.#host = host;
    this.#connection = connection;
    this.#pid = client.pid;
    this.#replies = new Replies(host, connection, client.maxMessageBytes);
  }

  /** The objects that the session holds, with the receipts of each. */
  get holds(): ReadonlyMap<number, Hold> {
    return this.#replies.holds;
  }

  /** Whether nobody is left to be answered. */
  gone(): boolean {
    return this.#connection.closed !== undefined || this.#host.draining !== undefined;
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
      ...(this.#pid === undefined ? {} : { pid: this.#pid }),
      objects: this.holds.size,
      receipts: this.#replies.receipts,
      running: this.#running.size - this.#waiters,
      waiting: this.#waiters,
      ...this.#handles.count(),
      outputBytes: this.outputBytes,
    };
  }

  /** The calls of the session that wait for another caller, with the object of each. */
  *waits(): Generator<[Entry, CallInfo]> {
    const now = performance.now();
    for (const { waits, entry, name, start } of this.#running.values()) {
      if (waits) yield [entry!, { session: this.id, method: name, time: now - start }];
    }
  }

  /** A call waits no more, and is answered later. */
  settling(call: number): void {
    if (!this.#connection.closed) this.#replies.settling(call);
  }

  /** Method tables that the client was told in its welcome. */
  knowTables(ids: Iterable<number>): void {
    this.#replies.knowTables(ids);
  }

  /** The entry that the client holds under this number, or has a grant of; refused even if others hold it. */
  held(id: number): Entry {
    const pinned = this.#replies.holds.has(id) ? undefined : this.#handles.pinned(id);
    return pinned ?? this.#replies.held(id);
  }

  /** Tells the client that the server ends, and why; parked calls reject at once. */
  announceEnd(reason: Error): void {
    writeJson(this.#connection.output, Kind.Bye, { reason: reason.message });
    this.#connection.schedule();
    for (const call of this.#running.values()) {
      if (!call.waits) continue;
      // Answered first: what the others' leaving brings it goes back.
      this.#settle(call);
      this.#replies.exception(call.id, reason);
      call.controller?.abort(reason);
    }
  }

  /** Ends the session; resolves when what was due is sent. */
  end(reason: Error): Promise<void> {
    return this.#connection.end(reason);
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
      case Kind.Finish:
        return this.#handles.finish(fields.varint());
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
    this.#handles.endAll();
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
      if (result instanceof Cursor) result = this.#handles.openCursor(result);
    } catch (error) {
      this.#replies.exception(call.id, error);
      return;
    }
    if (!isPromise(result)) this.#answer(running, result);
    else if (this.#isOneTooMany(running)) this.#giveUp(running, result);
    else this.#track(running, result);
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
    const running = new RunningCall(call, entry, this, this.#host.owner);
    // What is over at once may be what the others wait for.
    const takesTime = () => this.#host.owner.invoker.takesTime(entry!, call.method);
    if (this.#isOneTooMany(running) && takesTime()) throw this.#tooManyCalls();
    return running;
  }

  #isOneTooMany({ entry, builtin }: RunningCall): boolean {
    if (!entry || builtin) return false;
    return this.#runningUserCalls >= this.#host.limits.maxRunningCalls;
  }

  #tooManyCalls(): LimitExceededError {
    return new LimitExceededError(
      `This session has ${this.#runningUserCalls} calls running (limit maxRunningCalls): await some of them first, or raise the limit`,
    );
  }

  #start(call: Call, args: unknown[], running: RunningCall): unknown {
    switch (call.target) {
      case Target.Object:
        return this.#host.owner.invoker.invoke(running.entry!, call.method, args, running);
      case Target.Handle:
        return this.#handles.call(call.targetId, call.method, args);
      case Target.Server: {
        const method = serverMethods[call.method];
        if (method) return this.#host.callServer(this, method, args);
      }
    }
    throw new NotExposedError(`Unknown method ${call.method} of target ${call.target}`);
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
    result.then((value) => value instanceof Cursor ? this.#handles.openCursor(value) : value).then(
      (value) => {
        if (this.#settle(call)) this.#answer(call, value);
        else this.#discard(value);
      },
      (error) => {
        if (this.#settle(call)) this.#reject(call, error);
      },
    );
  }

  /** Fails a call that showed only when it had started that it takes time. */
  #giveUp(call: RunningCall, result: Promise<unknown>): void {
    const reason = this.#tooManyCalls();
    call.controller?.abort(reason);
    result.then((value) => value instanceof Cursor ? value.return() : undefined).catch(() => {});
    this.#replies.exception(call.id, reason);
  }

  /** The call is over; whether somebody waits for the answer. */
  #settle(call: RunningCall): boolean {
    if (!this.#running.delete(call.id)) return false;
    if (call.waits) this.#waiters--;
    else if (!call.builtin) this.#runningUserCalls--;
    if (this.#running.size === 0) this.#whenIdle?.();
    // A cancelled call has no caller left, unless the server decides how it ends.
    return !this.#connection.closed && (!call.cancelled || call.waits);
  }

  #reject(call: RunningCall, error: unknown): void {
    if (call.cancelled && call.cancelled === error) this.#replies.cancelled(call.id);
    else this.#replies.exception(call.id, error);
  }

  // Answers.

  #answer(call: RunningCall, value: unknown): void {
    try {
      if (value instanceof OpenHandle) this.#replies.handle(call.id, value);
      else if (value instanceof Handover) this.#handOver(call, value);
      else this.#replies.value(call.id, value);
    } catch (error) {
      // Whoever reads an iterator takes an error for its end.
      this.#discard(value);
      if (call.target === Target.Handle) this.#handles.free(call.targetId);
      this.#replies.exception(call.id, explain(error, call));
    }
  }

  /** Sends as much of it at once as can be; the rest goes back. */
  #handOver({ id, entry }: RunningCall, handover: Handover): void {
    for (let maxBytes: number | undefined = maxBatchBytes;;) {
      const handle = handover instanceof Holding
        ? this.#handles.openHolding(handover, entry)
        : undefined;
      try {
        if (handle) this.#replies.handle(id, handle, maxBytes);
        else this.#replies.value(id, handover.content, maxBytes);
        return handover.sent();
      } catch (error) {
        if (handle) this.#handles.forget(handle.id);
        if (!(error instanceof LimitExceededError)) throw error;
        if (handover.shrink()) continue;
        if (maxBytes === undefined) throw error;
        maxBytes = undefined; // one thing alone may be larger
      }
    }
  }

  /** Nobody takes what a call gave. */
  #discard(value: unknown): void {
    if (value instanceof OpenHandle) this.#handles.free(value.id);
    else if (value instanceof Handover) value.giveBack();
  }
}

/** An object of a class that cannot be sent: says of which method, and how it can be shared. */
function explain(error: unknown, { entry, builtin, method }: RunningCall): unknown {
  const name = entry?.table.methods[method - firstMethod]?.name;
  if (builtin || name === undefined || !(error instanceof SerializeError)) return error;
  return new SerializeError(
    `Cannot send what "${name}" on typeid "${
      entry!.typeid
    }" returned: ${error.message}; to share an object, name its typeid in methodToTypeid`,
    { cause: error.cause },
  );
}
