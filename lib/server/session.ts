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
import { describeException, type ErrorClass } from "../exceptions.ts";
import type { Limits } from "../limits.ts";
import type { Connection, Receiver } from "../wire/connection.ts";
import { type Fields, FrameWriter, headerBytes } from "../wire/frame.ts";
import {
  type Call,
  HandleKind,
  iteratorMethods,
  Kind,
  pieceBytes,
  readCall,
  serverMethods,
  Status,
  Target,
  writeJson,
  writeReply,
} from "../wire/protocol.ts";
import { type Serializer, withRoot } from "../wire/serializer.ts";
import { Cursor, type Portion } from "./cursor.ts";
import { type CallerContext, isPromise } from "./invocation.ts";
import type { LocalOwner } from "./local.ts";
import type { Entry } from "./registry.ts";

/** What a session needs of its server. */
export interface SessionHost {
  readonly owner: LocalOwner;
  readonly limits: Limits;
  readonly serializer: Serializer;
  readonly errors: ReadonlyMap<string, ErrorClass>;
  /** Why no new call is started, or undefined. */
  readonly draining: Error | undefined;
  /** Evaluates one of the server's own methods. */
  callServer(session: Session, method: typeof serverMethods[number], args: unknown[]): unknown;
  /** The session is over; all that it held is free. */
  sessionEnded(session: Session): void;
  /** Bytes wait for the session that it does not read. */
  outputGrew(): void;
}

interface Hold {
  readonly entry: Entry;
  receipts: number;
}

/** A call whose result is still to come. */
interface RunningCall {
  readonly id: number;
  /** Made when somebody asks for the signal. */
  controller: AbortController | undefined;
  readonly waits: boolean;
  readonly builtin: boolean;
  /** Keeps the referent alive. */
  readonly entry: Entry | undefined;
  cancelled: boolean;
}

interface Reply {
  readonly status: number;
  readonly payload: Uint8Array;
  readonly references: number[];
  readonly entries: Entry[];
}

const noPayload = new Uint8Array(0);
const noReferences: readonly number[] = [];
/** A portion of an iterator is cut where it would exceed this, as long as one item is left. */
const maxPortionBytes = pieceBytes;

/** One client's session. */
export class Session implements Receiver {
  /** Unique in its server. */
  readonly id: string;
  readonly #host: SessionHost;
  readonly #connection: Connection;
  readonly #maxPayloadBytes: number;
  readonly #holds = new Map<number, Hold>();
  readonly #knownTables = new Set<number>();
  readonly #handles = new Map<number, Cursor>();
  readonly #running = new Map<number, RunningCall>();
  #receipts = 0;
  #nextHandle = 1;
  #waiters = 0;
  #runningUserCalls = 0;
  #whenIdle: (() => void) | undefined;

  /** Opens the session over an authenticated connection. */
  constructor(id: string, host: SessionHost, connection: Connection, maxPayloadBytes: number) {
    this.id = id;
    this.#host = host;
    this.#connection = connection;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /** The objects that the session holds, with the receipts of each. */
  get holds(): ReadonlyMap<number, Hold> {
    return this.#holds;
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
      objects: this.#holds.size,
      receipts: this.#receipts,
      running: this.#running.size - this.#waiters,
      waiting: this.#waiters,
      iterators: this.#handles.size,
      outputBytes: this.outputBytes,
    };
  }

  /** Method tables that the client was told in its welcome. */
  knowTables(ids: Iterable<number>): void {
    for (const id of ids) this.#knownTables.add(id);
  }

  /** The entry that the client holds under this number; refused even if others hold it. */
  held(id: number): Entry {
    const hold = this.#holds.get(id);
    if (hold) return hold.entry;
    throw new UnknownObjectError(
      `This session holds no object 0x${id.toString(16)}: it was released or never received`,
    );
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
        return this.#release(fields.varint(), fields.varint());
      default:
        throw new ProtocolError(`Unexpected message of kind ${kind} from a client`);
    }
  }

  closed(reason: Error): void {
    const over = new ConnectionClosedError(`The session of the caller ended`, { cause: reason });
    for (const call of this.#running.values()) {
      call.cancelled = true;
      call.controller?.abort(over);
    }
    for (const cursor of this.#handles.values()) ignoreFailure(() => cursor.return());
    this.#handles.clear();
    for (const { entry } of this.#holds.values()) this.#host.owner.registry.letGo(entry);
    this.#holds.clear();
    this.#receipts = 0;
    this.#whenIdle?.();
    this.#host.sessionEnded(this);
  }

  #release(id: number, receipts: number): void {
    const hold = this.#holds.get(id);
    if (!hold || receipts < 1 || receipts > hold.receipts) {
      throw new ProtocolError(
        `Cannot give back ${receipts} receipts of object 0x${id.toString(16)}: the session has ${
          hold?.receipts ?? 0
        }`,
      );
    }
    hold.receipts -= receipts;
    this.#receipts -= receipts;
    if (hold.receipts > 0) return;
    this.#holds.delete(id);
    this.#host.owner.registry.letGo(hold.entry);
  }

  #cancel(id: number): void {
    const call = this.#running.get(id);
    if (!call) return;
    call.cancelled = true;
    call.controller?.abort(new ManagerError("The caller cancelled the call"));
  }

  // Calls.

  #call(call: Call): void {
    let result: unknown;
    let running: RunningCall | undefined;
    try {
      if (this.#host.draining) throw this.#host.draining;
      if (this.#running.has(call.id)) {
        throw new ProtocolError(`Call ${call.id} is running already`);
      }
      const args = this.#arguments(call);
      running = this.#prepare(call);
      result = this.#start(call, args, running);
    } catch (error) {
      this.#fail(call.id, error);
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
    return { id: call.id, controller: undefined, waits, builtin, entry, cancelled: false };
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
        running.controller ??= new AbortController();
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
    const isCancel = call.cancelled && error === call.controller?.signal.reason;
    if (!isCancel) return this.#fail(call.id, error);
    this.#write(call.id, Status.Cancelled, noReferences, noPayload);
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
    const send = (portion: Portion) => this.#cut(cursor, portion, id);
    try {
      const portion = cursor.next();
      return isPromise(portion)
        ? (portion as Promise<Portion>).then(send, (error) => {
          this.#handles.delete(id);
          throw error;
        })
        : send(portion as Portion);
    } catch (error) {
      this.#handles.delete(id);
      throw error;
    }
  }

  /** Leaves in the cursor what would make a reply too long. */
  #cut(cursor: Cursor, portion: Portion, id: number): Portion {
    const { serializer, owner } = this.#host;
    const values = [...portion.values];
    let { done } = portion;
    while (values.length > 1) {
      const bytes = serializer.encode(values, owner.outgoing(() => 0)).length;
      if (bytes <= maxPortionBytes) break;
      cursor.unread(values.splice(values.length >> 1));
      done = false;
    }
    if (done) this.#handles.delete(id);
    return { values, done };
  }

  /** A cursor becomes a handle of the session; built-ins send the first portion along. */
  #answerCursor(id: number, cursor: Cursor): void {
    const handle = this.#nextHandle++;
    this.#handles.set(handle, cursor);
    let first: Portion = { values: [], done: false };
    if (cursor.readAhead > 1) {
      const portion = cursor.next();
      if (!isPromise(portion)) first = this.#cut(cursor, portion as Portion, handle);
    }
    const reply = this.#encode(Status.Handle, first);
    this.#credit(reply);
    this.#write(
      id,
      Status.Handle,
      reply.references,
      reply.payload,
      HandleKind.Iterator,
      first.done ? 0 : handle,
    );
  }

  // Replies.

  #answer(id: number, value: unknown): void {
    try {
      if (value instanceof Cursor) return this.#answerCursor(id, value);
      const reply = this.#encode(Status.Value, value);
      this.#credit(reply);
      this.#write(id, Status.Value, reply.references, reply.payload);
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #fail(id: number, error: unknown): void {
    const { errors } = this.#host;
    const canSend = (value: unknown) => this.#canSend(value);
    let reply: Reply;
    try {
      reply = this.#encode(Status.Error, describeException(error, errors, canSend));
      this.#credit(reply);
    } catch (cause) {
      const plain = new ManagerError(
        `The exception could not be sent: ${String(error).slice(0, 1024)}`,
      );
      plain.stack = String((cause as Error).stack);
      reply = this.#encode(Status.Error, describeException(plain, errors, canSend));
    }
    this.#write(id, Status.Error, reply.references, reply.payload);
  }

  #canSend(value: unknown): boolean {
    try {
      const { serializer, owner, limits } = this.#host;
      const bytes = serializer.encode(value, owner.outgoing(() => 0)).length;
      return bytes <= Math.min(this.#maxPayloadBytes, limits.maxMessageBytes) / 16;
    } catch {
      return false;
    }
  }

  #encode(status: number, value: unknown): Reply {
    const references: number[] = [];
    const entries: Entry[] = [];
    if (value === undefined) return { status, payload: noPayload, references, entries };
    const outgoing = this.#host.owner.outgoing((entry) => {
      references.push(entry.id, entry.table.id);
      return entries.push(entry) - 1;
    });
    let payload: Uint8Array;
    try {
      payload = this.#host.serializer.encode(value, outgoing);
    } catch (error) {
      throw withRoot(error, "result");
    }
    if (payload.length > this.#maxPayloadBytes) {
      throw new LimitExceededError(
        `Cannot send a result of ${payload.length} bytes: the client takes ${this.#maxPayloadBytes} (limit maxMessageBytes): ask for less at once or raise the limit`,
      );
    }
    return { status, payload, references, entries };
  }

  /** Adds a receipt for each reference, and tells method tables that the client does not know. */
  #credit({ entries }: Reply): void {
    if (entries.length === 0) return;
    const { limits, owner } = this.#host;
    if (this.#receipts + entries.length > limits.maxHolds) {
      throw new LimitExceededError(
        `This session holds ${this.#receipts} receipts of objects (limit maxHolds): give some back with \`releaseProxy(proxy)\`, or raise the limit`,
      );
    }
    this.#receipts += entries.length;
    for (const entry of entries) {
      const hold = this.#holds.get(entry.id);
      if (hold) {
        hold.receipts++;
        continue;
      }
      this.#holds.set(entry.id, { entry, receipts: 1 });
      owner.registry.hold(entry);
      this.#tell(entry);
    }
  }

  #tell(entry: Entry): void {
    if (this.#knownTables.has(entry.table.id)) return;
    this.#knownTables.add(entry.table.id);
    writeJson(this.#connection.output, Kind.Table, entry.table);
  }

  #write(
    id: number,
    status: number,
    references: readonly number[],
    payload: Uint8Array,
    handleKind = 0,
    handleId = 0,
  ): void {
    const { output } = this.#connection;
    if (payload.length <= pieceBytes) {
      writeReply(output, id, status, references, payload, handleKind, handleId);
    } else {
      const whole = new FrameWriter();
      writeReply(whole, id, status, references, payload, handleKind, handleId);
      this.#connection.sendLongReply(id, whole.take()[0]!.subarray(headerBytes));
    }
    this.#connection.schedule();
    if (this.#connection.outputBytes > this.#host.limits.maxOutputBytes) this.#host.outputGrew();
  }
}

/** Ends what belongs to a session that is over: nobody is left to be told of a failure. */
function ignoreFailure(action: () => unknown): void {
  Promise.resolve().then(action).catch(() => {});
}
