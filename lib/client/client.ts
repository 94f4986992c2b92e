/**
 * A client: one connection, one session. It sends calls, matches the replies, cancels what nobody
 * waits for any more, and counts what it holds. The mirror image of server/session.ts.
 *
 * Above: manager.ts and proxies. Below: holds.ts, connection.ts and a serializer.
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
import { authenticateClient } from "../wire/auth.ts";
import { Connection, type Receiver } from "../wire/connection.ts";
import type { Fields, FrameWriter } from "../wire/frame.ts";
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
  readonly epoch: string;
  /** The session's id. */
  readonly session: string;
  /** The server's typeids. */
  readonly types: ReadonlyMap<string, AnnouncedType>;
  /** Which grants the running task has. */
  readonly scopes: Scopes = new Scopes();
  /** Resolves when the client is unusable; never rejects. */
  readonly ended: Promise<Ended>;
  readonly #connection: Connection;
  readonly #serializer: Serializer;
  readonly #options: ClientOptions;
  readonly #maxPayloadBytes: number;
  readonly #errors: Map<string, ErrorClass>;
  readonly #holds: Holds;
  readonly #handles: Handles;
  readonly #pending: PendingCalls;
  readonly #longReplies: LongReplies;
  #resolveEnded!: (ended: Ended) => void;
  #nextCall = 1;
  /** Who else than pending calls keeps the process alive. */
  #stayers = 0;
  #closing = false;
  #shuttingDown = false;
  #farewell: string | undefined;

  /** Authenticates over the transport and opens a session; a failure closes the transport. */
  static async connect(transport: Transport, options: ClientOptions): Promise<Client> {
    const client = await authenticateClient(
      (receiver) => new Connection(transport, receiver),
      {
        authkey: options.authkey,
        serializer: options.serializer.name,
        timeout: options.timeout,
        late:
          `The server at "${options.address}" did not answer in ${options.timeout} ms: it is busy or stopped; try again, or end its process`,
      },
      {
        maxMessageBytes: Math.min(options.limits.maxMessageBytes, Number.MAX_SAFE_INTEGER),
        pid,
      },
      (connection, hello, welcome) => new Client(connection, hello.epoch, welcome, options),
    );
    debug("connected", () => `${options.address} as session ${client.session}`);
    return client;
  }

  private constructor(
    connection: Connection,
    epoch: string,
    welcome: Welcome,
    options: ClientOptions,
  ) {
    this.address = options.address;
    this.env = options.env ?? {};
    this.epoch = epoch;
    this.session = welcome.session;
    this.types = new Map(Object.entries(welcome.types));
    this.#connection = connection;
    this.#serializer = options.serializer;
    this.#options = options;
    this.#maxPayloadBytes = welcome.maxMessageBytes;
    this.#errors = new Map(options.errors);
    const send = (write: (output: FrameWriter) => void) => {
      if (connection.closed) return;
      write(connection.output);
      connection.schedule();
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
    const maxFrameBytes = options.limits.maxMessageBytes + envelopeBytes;
    this.#longReplies = new LongReplies(maxFrameBytes);
    for (const { table } of this.types.values()) {
      if (table) this.#holds.addTable(readTable(table));
    }
    this.ended = new Promise((resolve) => this.#resolveEnded = resolve);
    connection.open(maxFrameBytes, this);
    this.#watchProcess();
    if (options.remote) connection.watch(options.limits.pingInterval, options.limits.pingTimeout);
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
    this.#shuttingDown = true;
    await this.callServer("shutdown", []);
  }

  /** Writes what was issued, rejects what is pending, ends the session; resolves when all is sent. */
  close(): Promise<void> {
    this.#closing = this.usable;
    return this.#connection.end(new ConnectionClosedError("This client was closed"));
  }

  /** Ends the session at once, of a server that is gone. */
  abandon(): void {
    this.#closing = this.usable;
    this.#connection.close(new ConnectionClosedError("This client was closed"));
  }

  // Calls and their ends.

  #call(callee: Callee, args: unknown[], options?: CallOptions): Promise<unknown> {
    const closed = this.#connection.closed;
    if (closed) return Promise.reject(this.#closedError(callee, closed));
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
    writeCall(this.#connection.output, id, target, targetId, index, timeout, references, payload);
    this.#connection.schedule();
    return id;
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
        return void (this.#farewell = String(fields.json()["reason"]));
      default:
        throw new ProtocolError(`Unexpected message of kind ${kind} from the server`);
    }
  }

  closed(reason: Error): void {
    debug("disconnected", () => `${this.address}: ${reason.message}`);
    for (const { callee, reject } of this.#pending.takeAll()) {
      reject(this.#closedError(callee, reason));
    }
    this.#longReplies.clear();
    this.#holds.clear();
    this.#resolveEnded(this.#ending(reason));
  }

  #ending(reason: Error): Ended {
    if (this.#closing) return { by: "close" };
    if (this.#shuttingDown) return { by: "shutdown" };
    if (this.#farewell !== undefined) {
      return {
        by: "server",
        error: new ConnectionClosedError(`The server ended: ${this.#farewell}`),
      };
    }
    return { by: "lost", error: reason };
  }

  #closedError(callee: Callee, reason: Error): ConnectionClosedError {
    const why = this.#shuttingDown
      ? "this manager shut the server down"
      : this.#farewell === undefined
      ? reason.message
      : `the server ended: ${this.#farewell}`;
    return new ConnectionClosedError(
      `Cannot finish ${nameOf(callee)}: the connection to "${this.address}" is closed: ${why}`,
      { cause: reason },
    );
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
