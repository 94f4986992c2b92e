/**
 * A client: one connection, one session. It sends calls, matches the replies, cancels what nobody
 * waits for any more, and counts what it holds. The mirror image of server/session.ts.
 *
 * Above: manager.ts and proxies. Below: holds.ts, pending.ts, ending.ts, connection.ts, a serializer.
 *
 * @module
 */

import { ConnectionClosedError, ProtocolError } from "../errors.ts";
import { debug } from "../debug.ts";
import { type ErrorClass, rebuildException } from "../exceptions.ts";
import { envelopeBytes } from "../limits.ts";
import { type CallOptions, type Held, type ProxyOwner, waitArguments } from "../proxy.ts";
import type { TicketOptions } from "../call_options.ts";
import { pid } from "../runtime.ts";
import { Scopes } from "../proxies/scopes.ts";
import { authenticateClient, type Hello } from "../wire/auth.ts";
import { Connection, type Receiver } from "../wire/connection.ts";
import { type Fields, FrameWriter } from "../wire/frame.ts";
import { LongReplies } from "../wire/pieces.ts";
import {
  type AnnouncedType,
  firstMethod,
  fits,
  Kind,
  readReply,
  readTable,
  type Reply,
  serverMethods,
  sizeOf,
  Status,
  Target,
  universalMethods,
  type Welcome,
  writeCall,
  writeCancel,
  writeFinish,
  writeRelease,
} from "../wire/protocol.ts";
import { type References, type Serializer, withRoot } from "../wire/serializer.ts";
import type { Transport } from "../wire/transport.ts";
import { Ending } from "./ending.ts";
import { Handles } from "./handles.ts";
import type { ClientOptions, Ended } from "./options.ts";
import { Holds } from "./holds.ts";
import {
  type Callee,
  cancelReason,
  nameOf,
  type PendingCall,
  PendingCalls,
  timeoutOf,
  tooLong,
} from "./pending.ts";

const noPayload = new Uint8Array(0);

/** One session with one server. */
export class Client implements ProxyOwner, Receiver {
  readonly address: string;
  readonly env: Record<string, string>;
  /** Identifies the server's life; empty until the server has let this client in. */
  epoch = "";
  /** The session's id; empty until then. */
  session = "";
  /** The server's typeids; none until it has let this client in. */
  types: ReadonlyMap<string, AnnouncedType> = new Map();
  /** Resolves when the server has let this client in, and rejects if it does not. */
  readonly joined: Promise<void>;
  /** Which grants the running task has. */
  readonly scopes: Scopes = new Scopes();
  /** Resolves when the client is unusable; never rejects. */
  readonly ended: Promise<Ended>;
  #connection!: Connection;
  /** What is called before the server has let this client in is written aside, and sent then. */
  #output: FrameWriter = new FrameWriter();
  /** The most bytes of user value in one message; those of this side until the server has told. */
  #maxPayloadBytes: number;
  readonly #serializer: Serializer;
  readonly #options: ClientOptions;
  readonly #errors: Map<string, ErrorClass>;
  readonly #holds: Holds;
  readonly #handles: Handles;
  readonly #pending: PendingCalls;
  readonly #longReplies: LongReplies;
  #resolveEnded!: (ended: Ended) => void;
  #nextCall = 1;
  /** Who else than pending calls keeps the process alive. */
  #stayers = 0;
  readonly #ending = new Ending();

  /** A client that the server has let in; a failure closes the transport. */
  static async connect(transport: Transport, options: ClientOptions): Promise<Client> {
    const client = new Client(transport, options);
    await client.untilJoined();
    return client;
  }

  /**
   * Begins to authenticate over the transport, and to open a session. Calls may be made at once; if
   * the server does not let this client in, they reject.
   */
  constructor(transport: Transport, options: ClientOptions) {
    this.address = options.address;
    this.env = options.env ?? {};
    this.#serializer = options.serializer;
    this.#options = options;
    this.#maxPayloadBytes = options.limits.maxMessageBytes;
    this.#errors = new Map(options.errors);
    const send = (write: (output: FrameWriter) => void) => {
      if (this.#connection.closed) return;
      write(this.#output);
      this.#schedule();
    };
    this.#holds = new Holds(this, options.limits.maxDepth, (id, receipts) => {
      debug("release", () => `${receipts} of object 0x${id.toString(16)}`);
      send((output) => writeRelease(output, id, receipts));
    });
    this.#handles = new Handles(
      (callee, args, options) => this.#call(callee, args, options),
      (id) => send((output) => writeFinish(output, id)),
    );
    this.#pending = new PendingCalls(
      (id) => send((output) => writeCancel(output, id)),
      (id) => this.#holds.keep(id),
      () => this.#watchProcess(),
      options.verdictTimeout,
    );
    this.#longReplies = new LongReplies(options.limits.maxMessageBytes + envelopeBytes);
    this.ended = new Promise((resolve) => this.#resolveEnded = resolve);
    this.joined = this.#join(transport);
    this.joined.catch((reason) => this.closed(reason));
    this.#watchProcess();
  }

  /** Waits for {@linkcode joined}, and keeps the process alive meanwhile. */
  async untilJoined(): Promise<void> {
    const leave = this.stayAlive();
    try {
      await this.joined;
    } finally {
      leave();
    }
  }

  #join(transport: Transport): Promise<void> {
    const { address, authkey, serializer, limits, timeout } = this.#options;
    return authenticateClient(
      (receiver) => this.#connection = new Connection(transport, receiver),
      {
        ...{ authkey, timeout },
        serializer: serializer.name,
        late:
          `The server at "${address}" did not answer in ${timeout} ms: it is busy or stopped; try again, or end its process`,
      },
      { maxMessageBytes: Math.min(limits.maxMessageBytes, Number.MAX_SAFE_INTEGER), pid },
      (_, hello, welcome) => this.#begin(hello, welcome),
      (why) => this.#ending.farewell = why,
    );
  }

  /** The server has let this client in: what was called meanwhile goes out. */
  #begin({ epoch }: Hello, { session, types, maxMessageBytes }: Welcome): void {
    this.epoch = epoch;
    this.session = session;
    this.types = new Map(Object.entries(types));
    for (const { table } of this.types.values()) {
      if (table) this.#holds.addTable(readTable(table));
    }
    this.#maxPayloadBytes = maxMessageBytes;
    const { limits, remote } = this.#options;
    this.#connection.open(limits.maxMessageBytes + envelopeBytes, this);
    if (remote) this.#connection.watch(limits.pingInterval, limits.pingTimeout);
    debug("connected", () => `${this.address} as session ${session}`);
    const early = this.#output.take();
    this.#output = this.#connection.output;
    this.#output.append(early);
    this.#pending.begin();
    this.#schedule();
  }

  /** Whether calls are possible. */
  get usable(): boolean {
    return this.#connection.closed === undefined;
  }

  /** Keeps the process alive until the returned function is called. */
  stayAlive(): () => void {
    this.#stayers++;
    this.#watchProcess();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#stayers--;
      this.#watchProcess();
    };
  }

  /** Learns more exceptions to rebuild. */
  addErrors(errors: ReadonlyMap<string, ErrorClass>): void {
    for (const [name, Class] of errors) this.#errors.set(name, Class);
  }

  // What proxies ask.

  call(held: Held, method: number, args: unknown[], options?: CallOptions): Promise<unknown> {
    const own = method < firstMethod ? undefined : held.table.methods[method - firstMethod];
    return this.#call(
      {
        target: Target.Object,
        id: held.id,
        index: method,
        typeid: held.table.typeid,
        method: own?.name ?? universalMethods[method]!,
        waitOptions: own?.waitOptions,
        options,
      },
      args,
      options,
    );
  }

  release(held: Held, all: boolean): void {
    this.#holds.release(held, all);
  }

  async exportProxy(held: Held, options: TicketOptions): Promise<string> {
    return await this.callServer("exportProxy", [held.id, options]) as string;
  }

  async importProxy(secret: string): Promise<object> {
    return await this.callServer("importProxy", [secret]) as object;
  }

  async revokeTicket(secret: string): Promise<void> {
    await this.callServer("revokeTicket", [secret]);
  }

  /** Calls one of the server's own methods. */
  callServer(
    method: typeof serverMethods[number],
    args: unknown[],
    options?: CallOptions,
  ): Promise<unknown> {
    const index = serverMethods.indexOf(method);
    const argumentsAt = method === "create" ? "[1]" : method === "named" ? "[2]" : undefined;
    const callee = { target: Target.Server, id: 0, index, typeid: "server", method, argumentsAt };
    return this.#call(callee, args, options);
  }

  /** Asks the server to end; resolves when it has said that it will. */
  async shutdown(): Promise<void> {
    this.#ending.shuttingDown = true;
    await this.callServer("shutdown", []);
  }

  /** Writes what was issued, rejects what is pending, ends the session; resolves when all is sent. */
  async close(): Promise<void> {
    this.#ending.closing = this.usable;
    if (!this.#hasJoined) await this.untilJoined().catch(() => {});
    await this.#connection.end(new ConnectionClosedError("This client was closed"));
  }

  /** Ends the session at once, of a server that is gone. */
  abandon(reason = "This client was closed"): void {
    this.#ending.closing = this.usable;
    this.#connection.close(new ConnectionClosedError(reason));
  }

  // Calls and their ends.

  #call(callee: Callee, args: unknown[], options?: CallOptions): Promise<unknown> {
    const closed = this.#connection.closed;
    if (closed) return Promise.reject(this.#ending.error(nameOf(callee), this.address, closed));
    try {
      const waits = callee.waitOptions !== undefined;
      if (waits) ({ args, options } = waitArguments(args, callee.waitOptions!, options));
      const signal = options?.signal;
      if (signal?.aborted) return Promise.reject(signal.reason);
      const timeout = timeoutOf(
        options?.timeout ?? (waits ? undefined : this.#options.callTimeout),
      );
      const id = this.#send(callee, args, waits ? timeout : undefined);
      return this.#pending.add(id, callee, { timeout, signal });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #send(callee: Callee, args: unknown[], timeout: number | undefined): number {
    const { target, id: targetId, index } = callee;
    const references: number[] = [];
    const payload = this.#encode(callee, args, references);
    const id = this.#nextCall++;
    writeCall(this.#output, id, target, targetId, index, timeout, references, payload);
    this.#schedule();
    return id;
  }

  #schedule(): void {
    if (this.#hasJoined) this.#connection.schedule();
  }

  get #hasJoined(): boolean {
    return this.#output === this.#connection.output;
  }

  #encode(callee: Callee, args: unknown[], references: number[]): Uint8Array {
    if (args.length === 0) return noPayload;
    let payload: Uint8Array;
    try {
      payload = this.#serializer.encode(args, this.#holds.outgoing(references));
    } catch (error) {
      throw withRoot(error, "args", callee.argumentsAt);
    }
    if (!fits(payload, references, this.#maxPayloadBytes)) {
      throw tooLong(callee, sizeOf(payload, references), this.#maxPayloadBytes);
    }
    return payload;
  }

  /** A pending call keeps the process alive, an idle connection does not. */
  #watchProcess(): void {
    this.#connection.keepAlive(this.#pending.size + this.#stayers > 0);
  }

  // What the connection tells.

  message(kind: number, fields: Fields): void {
    switch (kind) {
      case Kind.Reply:
        return this.#reply(readReply(fields));
      case Kind.Piece: {
        const reply = this.#longReplies.add(fields);
        return reply && this.#reply(reply);
      }
      case Kind.Table:
        return this.#holds.addTable(readTable(fields.json()));
      case Kind.Bye:
        return void (this.#ending.farewell = String(fields.json()["reason"]));
      default:
        throw new ProtocolError(`Unexpected message of kind ${kind} from the server`);
    }
  }

  closed(reason: Error): void {
    debug("disconnected", () => `${this.address}: ${reason.message}`);
    for (const { callee, reject } of this.#pending.takeAll()) {
      reject(this.#ending.error(nameOf(callee), this.address, reason));
    }
    this.#longReplies.clear();
    this.#holds.clear();
    this.#resolveEnded(this.#ending.describe(reason));
  }

  #reply(reply: Reply): void {
    if (reply.status === Status.Settling) return this.#pending.settling(reply.id);
    const pending = this.#pending.take(reply.id);
    if (!pending) return this.#refuse(reply);
    try {
      this.#settle(reply, pending);
    } catch (error) {
      if (reply.status === Status.Handle) this.#handles.giveBack(reply.handleId);
      pending.reject(error);
    }
  }

  #settle(reply: Reply, pending: PendingCall): void {
    const value = this.#decode(reply);
    switch (reply.status) {
      case Status.Value:
        return pending.resolve(value);
      case Status.Error:
        return pending.reject(rebuildException(value, this.#errors, pending.callee));
      case Status.Cancelled:
        return pending.reject(cancelReason(pending));
      case Status.Handle:
        return pending.resolve(this.#handles.open(reply, value, pending.callee));
    }
  }

  #decode(reply: Reply): unknown {
    const { payload, references } = reply;
    if (payload.length === 0) return undefined;
    const decode = (incoming: References) => this.#serializer.decode(payload, incoming);
    return this.#holds.receive(references, decode);
  }

  /** A reply that nobody takes gives back all that it brought. */
  #refuse(reply: Reply): void {
    const wait = this.#pending.takeAbandoned(reply.id);
    if (wait && reply.status === Status.Value) {
      this.#handles.takeBack(wait.callee, () => this.#decode(reply));
    } else this.#holds.refuse(reply.references);
    this.#handles.giveBack(reply.handleId); // 0, as of every other status, is none
    wait?.letGo();
  }
}
