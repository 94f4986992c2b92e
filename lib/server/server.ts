/**
 * The server: accepts connections, lets in who has the authkey, and ends in order.
 *
 * Above: main.ts (the server process) and manager.ts (a server in this process). Below: session.ts,
 * control.ts, local.ts, auth.ts, transport.ts.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { clearTimeout, setTimeout } from "node:timers";
import { environmentOf } from "../environment.ts";
import { ConnectionClosedError, LimitExceededError } from "../errors.ts";
import type { ErrorClass } from "../exceptions.ts";
import { envelopeBytes, type Limits, maxTimeout } from "../limits.ts";
import { authenticateServer, type ClientHello } from "../wire/auth.ts";
import { Connection } from "../wire/connection.ts";
import { Kind, type serverMethods, type Welcome, writeJson } from "../wire/protocol.ts";
import type { Serializer } from "../wire/serializer.ts";
import { listen, type Listener, type TlsOptions, type Transport } from "../wire/transport.ts";
import { debug } from "../debug.ts";
import { warn } from "../runtime.ts";
import { Control, type ControlHost } from "./control.ts";
import { LocalOwner } from "./local.ts";
import type { RegisteredType } from "./registry.ts";
import { Session, type SessionHost } from "./session.ts";

/** What a server is made of. */
export interface ObjectServerOptions {
  readonly authkey: Uint8Array;
  readonly serializer: Serializer;
  readonly limits: Limits;
  readonly types: ReadonlyMap<string, RegisteredType>;
  /** Exceptions of users that keep their class. */
  readonly errors: ReadonlyMap<string, ErrorClass>;
  /** Milliseconds that running calls and the sending of answers have when the server ends. */
  readonly shutdownTimeout: number;
  /** Milliseconds without a session after which the server ends; undefined: never. */
  readonly idleTimeout?: number;
  /** Ends the processes that the server started for its clients; it is called when no call runs. */
  readonly endWorkers?: () => Promise<void>;
}

/** Where a server listens. */
export interface ListenOptions {
  /** Undefined: a new Unix socket in a directory of its own. */
  readonly address: string | undefined;
  readonly tls?: TlsOptions;
  /** The directory of the socket is to be made, and removed at the end. */
  readonly makeDirectory?: boolean;
  /** Neither the listener nor who came to it keeps the process alive. */
  readonly background?: boolean;
}

/** How a server uses its listener. */
export interface ServeOptions {
  /** What the listener was made with. */
  readonly tls?: TlsOptions;
  /** Until this time of `performance.now()` the first session may come, whatever `idleTimeout` is. */
  readonly firstSessionBy?: number;
  /** Runs, at the end, the function that stops listening, and what belongs before and after it. */
  readonly aroundEnd?: (unlisten: () => Promise<void>) => Promise<void>;
}

/** Milliseconds in which a starter that has not joined can read why it cannot. */
const goodbyePatience = 500;

/** One server. */
export class ObjectServer implements SessionHost, ControlHost {
  readonly owner: LocalOwner;
  readonly limits: Limits;
  readonly serializer: Serializer;
  readonly errors: ReadonlyMap<string, ErrorClass>;
  readonly sessions: Map<string, Session> = new Map();
  /** Resolves with the reason when the server has ended and left nothing behind. */
  readonly closed: Promise<Error>;
  readonly #options: ObjectServerOptions;
  readonly #control: Control;
  readonly #halfOpen = new Set<Connection>();
  /** The first connection, most likely the starter's, while it is half open. */
  #first: Connection | undefined;
  readonly #resolveClosed: (reason: Error) => void;
  #listener: Listener | undefined;
  #aroundEnd: NonNullable<ServeOptions["aroundEnd"]> = (unlisten) => unlisten();
  #draining: Error | undefined;
  #nextSession = 1;
  #firstSessionBy = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ObjectServerOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.serializer = options.serializer;
    this.errors = options.errors;
    this.owner = new LocalOwner({
      epoch: randomBytes(9).toString("base64url").replaceAll("-", "_"),
      limits: options.limits,
      serializer: options.serializer,
      types: options.types,
      tickets: () => this.#control,
    });
    this.#control = new Control(this, options.limits.maxNameBytes);
    let resolveClosed!: (reason: Error) => void;
    this.closed = new Promise((resolve) => resolveClosed = resolve);
    this.#resolveClosed = resolveClosed;
  }

  /** Where the server listens. */
  get address(): string {
    return this.owner.address;
  }

  get draining(): Error | undefined {
    return this.#draining;
  }

  /** Opens the listener; it keeps the process alive, unless it is in the background. */
  async listen(options: ListenOptions): Promise<void> {
    const { address, tls, makeDirectory, background } = options;
    const accept = (transport: Transport) => {
      this.accept(transport);
      if (background) transport.unref();
    };
    const listener = await listen(address, { tls, makeDirectory, accept });
    if (background) listener.unref();
    this.serve(listener, { tls });
  }

  /** Takes over a listener, which gives those who come to {@linkcode accept}, and closes it at the end. */
  serve(listener: Listener, { tls, firstSessionBy = 0, aroundEnd }: ServeOptions): void {
    this.#listener = listener;
    this.#firstSessionBy = firstSessionBy;
    if (aroundEnd) this.#aroundEnd = aroundEnd;
    const { address: at } = listener;
    const { authkey, serializer } = this.#options;
    this.owner.address = at;
    this.owner.env = environmentOf({ address: at, authkey, serializer, tls });
    warnOfPlainTcp(this.address);
    this.#watchIdle();
  }

  /**
   * Takes over a new connection, whoever it is. The limits of connections that are not authenticated
   * do not apply to the `first` of a server that was started: its starter may be busy meanwhile.
   */
  accept(transport: Transport, first = false): void {
    if (this.#draining) return transport.destroy();
    const { maxHalfOpenConnections, handshakeTimeout } = this.limits;
    let connection!: Connection;
    const authenticated = authenticateServer(
      (receiver) => {
        connection = new Connection(transport, receiver, this.limits);
        if (first) this.#first = connection;
        else this.#halfOpen.add(connection);
        return connection;
      },
      {
        authkey: this.#options.authkey,
        serializer: this.serializer.name,
        timeout: first ? Infinity : handshakeTimeout,
        epoch: this.owner.epoch,
      },
      (client) => this.#openSession(connection, client),
    );
    if (this.#halfOpen.size > maxHalfOpenConnections) {
      const [oldest] = this.#halfOpen;
      oldest!.close(
        new LimitExceededError(
          `More than ${maxHalfOpenConnections} connections are not authenticated (limit maxHalfOpenConnections)`,
        ),
      );
      // At once: several connections may be accepted before its handshake has failed.
      this.#halfOpen.delete(oldest!);
    }
    const settled = () => {
      this.#halfOpen.delete(connection);
      if (first) this.#first = undefined;
    };
    // A connection that fails to authenticate is closed; the client was told why.
    authenticated.then(settled, settled);
  }

  callServer(session: Session, method: typeof serverMethods[number], args: unknown[]): unknown {
    return this.#control.call(session, method, args);
  }

  sessionEnded(session: Session): void {
    this.sessions.delete(session.id);
    this.#control.tickets.sessionEnded(session.id);
    debug("session ended", () => session.id);
    this.#watchIdle();
  }

  outputGrew(): void {
    let total = 0;
    let largest: Session | undefined;
    for (const session of this.sessions.values()) {
      total += session.outputBytes;
      if (!largest || session.outputBytes > largest.outputBytes) largest = session;
    }
    if (total <= this.limits.maxTotalOutputBytes) return;
    largest!.abort(
      new LimitExceededError(
        `${total} bytes wait for slow clients (limit maxTotalOutputBytes); this session has the most`,
      ),
    );
  }

  shutdownSoon(session: Session): void {
    const reason = new ConnectionClosedError(`session "${session.id}" shut it down`);
    // The reply to the caller is written first.
    Promise.resolve().then(() => this.close(reason));
  }

  /**
   * Ends in order: accepts nobody, tells every client, rejects what waits, gives running calls and
   * the sending of their answers `shutdownTimeout`. Again while it ends: waits for the same end.
   */
  async close(reason: Error): Promise<void> {
    if (this.#draining) return void await this.closed;
    this.#draining = reason;
    debug("server ends", () => reason.message);
    if (this.#idle) clearTimeout(this.#idle);
    const unlistened = this.#aroundEnd(async () => await this.#listener?.close())
      .catch(warnOfLeftover);
    for (const connection of this.#halfOpen) connection.close(reason);
    const told = this.#first && sayGoodbye(this.#first, reason);
    for (const session of this.sessions.values()) session.announceEnd(reason);
    this.owner.endWaiting(reason);
    await this.#drain(reason);
    await this.#options.endWorkers?.();
    this.#control.tickets.clear();
    this.owner.clock.stop();
    await told;
    await unlistened;
    this.#resolveClosed(reason);
  }

  /** Ends the sessions: when no call runs and when all is sent, or when the time is over. */
  async #drain(reason: Error): Promise<void> {
    const sessions = [...this.sessions.values()];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(this.#options.shutdownTimeout, maxTimeout));
    });
    await Promise.race([Promise.all(sessions.map((session) => session.idle())), timeout]);
    await Promise.race([Promise.all(sessions.map((session) => session.end(reason))), timeout]);
    clearTimeout(timer);
  }

  #openSession(connection: Connection, client: ClientHello): Welcome {
    const { limits } = this;
    if (this.sessions.size >= limits.maxConnections) {
      throw new LimitExceededError(
        `The server has ${this.sessions.size} sessions (limit maxConnections): close some clients, or raise the limit`,
      );
    }
    const session = new Session(`s${this.#nextSession++}`, this, connection, client);
    this.sessions.set(session.id, session);
    debug("session began", () => session.id);
    if (this.#idle) clearTimeout(this.#idle);
    connection.open(limits.maxMessageBytes + envelopeBytes, session);
    if (!this.address.startsWith("unix:")) {
      connection.watch(limits.pingInterval, limits.pingTimeout);
    }
    const types = this.owner.registry.announce();
    session.knowTables(Object.values(types).flatMap(({ table }) => table ? [table.id] : []));
    return {
      session: session.id,
      maxMessageBytes: Math.min(limits.maxMessageBytes, Number.MAX_SAFE_INTEGER),
      types,
    };
  }

  #watchIdle(): void {
    const { idleTimeout } = this.#options;
    if (idleTimeout === undefined || this.sessions.size > 0 || this.#draining) return;
    clearTimeout(this.#idle);
    const noneYet = this.#nextSession === 1;
    const rest = noneYet ? Math.ceil(this.#firstSessionBy - performance.now()) : 0;
    const timeout = Math.max(idleTimeout, rest);
    this.#idle = setTimeout(() => {
      this.close(new ConnectionClosedError(`it had no session for ${timeout} ms`));
    }, Math.min(timeout, maxTimeout));
  }
}

/** Tells the starter, who has not joined yet, that there will be no session; resolves when it knows. */
function sayGoodbye(connection: Connection, { message }: Error): Promise<void> {
  writeJson(connection.output, Kind.Bye, { reason: message });
  return connection.end(new ConnectionClosedError(message), goodbyePatience);
}

/** The end of a server is not to fail: nobody is left who could repeat it. */
function warnOfLeftover(error: Error): void {
  warn(`The server could not remove its socket: ${error.message}`);
}

const loopback = /^tcp:\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1\]):/;

/** Without TLS everybody on the way reads and changes what is sent, after the handshake, too. */
function warnOfPlainTcp(address: string): void {
  if (!address.startsWith("tcp:") || loopback.test(address)) return;
  warn(
    `The server listens on "${address}" without TLS: use a tls:// address, or tcp:// on 127.0.0.1`,
  );
}
