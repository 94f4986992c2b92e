/**
 * Pipes of bytes between processes: what a connection talks through, and how one is made.
 *
 * Above: `connection.ts`, the client and the server. Below: `address.ts`, `socket.ts`,
 * `memory.ts`, `socket_directory.ts`.
 *
 * @module
 */

import { connect as connectNet, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { dirname } from "node:path";
import { ConnectionClosedError, TimeoutError } from "../errors.ts";
import { maxTimeout } from "../limits.ts";
import { isPermissionError } from "../runtime.ts";
import { formatAddress, parseAddress } from "./address.ts";
import type { ParsedAddress } from "./address.ts";
import { SocketTransport } from "./socket.ts";
import {
  closeSocketFile,
  makeSocketDirectory,
  newSocketPath,
  removeSocketDirectory,
  removeStaleSocket,
  socketIdentity,
} from "./socket_directory.ts";

export { parseAddress } from "./address.ts";
export type { ParsedAddress } from "./address.ts";
export { memoryPair } from "./memory.ts";
export { newSocketPath } from "./socket_directory.ts";

/** What a transport tells its owner. */
export interface Receiver {
  /** Bytes arrived; the receiver may keep the chunk. */
  data(chunk: Uint8Array): void;
  /** `write` gave false, and there is room again. */
  drain(): void;
  /** The pipe is closed, with the error that closed it if there was one. The last event, once. */
  close(error?: Error): void;
}

/** A pipe of bytes. */
export interface Transport {
  /** Sets the receiver; nothing is delivered before. Called once. */
  start(receiver: Receiver): void;
  /** Takes over `bytes` (the caller never writes into them again). False: full, wait for `drain`. */
  write(bytes: Uint8Array): boolean;
  /** Bytes taken by `write` that the system has not yet accepted. */
  readonly bufferedBytes: number;
  /** Total bytes the system has accepted so far: only rises; shows whether a slow peer still reads. */
  readonly acceptedBytes: number;
  /** Stops reading; the peer's death is not seen meanwhile. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** Lets this pipe keep the process alive, as it does at first. */
  ref(): void;
  /** Lets the process end although this pipe is open. */
  unref(): void;
  /**
   * Sends what was written, then closes both directions; nothing is delivered any more. It waits
   * for the peer to read to the end - what the system has accepted is lost if the peer meanwhile
   * writes to a pipe that is gone - and keeps the process alive so long; a peer that was writing may
   * see an error. Resolves when the pipe is closed.
   */
  end(): Promise<void>;
  /** Closes at once; `close(error)` is reported once, always, also after `end()`. */
  destroy(error?: Error): void;
}

/** What accepts connections at one address. */
export interface Listener {
  /** The address as clients use it: the real port in place of 0. */
  readonly address: string;
  /** Lets the listener keep the process alive, as it does at first. */
  ref(): void;
  /** Lets the process end although the listener is open. */
  unref(): void;
  /** Stops accepting; removes the socket file, and the directory if it was made for it. */
  close(): Promise<void>;
}

/** Certificates and keys as PEM text. */
export interface TlsOptions {
  /** The server's certificate, or the chain of them. */
  cert?: string;
  /** The server's private key. */
  key?: string;
  /** Whom the client trusts in place of the system's authorities. */
  ca?: string | string[];
  /** The name that the client expects in the certificate; the address's host by default. */
  servername?: string;
}

/** Options of {@linkcode listen}. */
export interface ListenOptions {
  /** The certificate and key of a `tls:` address. */
  tls?: TlsOptions;
  /** Makes the directory of a `unix:` address, which must not exist, and removes it at the end. */
  makeDirectory?: boolean;
  /** Is given each new connection. */
  accept(transport: Transport): void;
}

/** Options of {@linkcode connect}. */
export interface ConnectOptions {
  /** Whom to trust at a `tls:` address. */
  tls?: TlsOptions;
  /** Milliseconds after which connecting is given up. */
  timeout: number;
  /** Gives up connecting; its reason is what `connect` rejects with. */
  signal?: AbortSignal;
}

/** Connections that wait to be accepted: a thousand processes may start at once. */
const backlog = 1024;

/** Milliseconds that a TLS handshake may take in the server. */
const handshakeTimeout = 5_000;

/**
 * Accepts connections at an address; without one, at a new socket in a directory of its own.
 *
 * @throws {TypeError} If the address cannot be listened on.
 * @throws {RangeError} If the path of the socket is too long.
 */
export async function listen(
  address: string | undefined,
  options: ListenOptions,
): Promise<Listener> {
  if (address === undefined) {
    return await listen(`unix:${newSocketPath()}`, { ...options, makeDirectory: true });
  }
  const target = checkListen(address, options.tls);
  if (target.kind === "unix") return await listenUnix(target.path, options);
  return await listenTcp(target, options);
}

/**
 * Connects to a listener. While it refuses or is full it is tried again until the time is over.
 *
 * @throws {ConnectionClosedError} If that failed; the cause is the system's error.
 */
export async function connect(address: string, options: ConnectOptions): Promise<Transport> {
  const { timeout, signal } = options;
  const target = parseAddress(address);
  checkTls(address, target, options.tls);
  if (target.kind === "memory") throw notASocket(address);
  const open = await opener(target, options.tls);
  const deadline = performance.now() + timeout;
  let refusal: unknown;
  for (let delay = 5;; delay = Math.min(delay * 2, 200)) {
    signal?.throwIfAborted();
    try {
      const rest = Math.max(1, deadline - performance.now());
      return new SocketTransport(await opened(open, rest, signal));
    } catch (error) {
      signal?.throwIfAborted();
      // A last try without time says less than what refused those before it.
      if (!(error instanceof TimeoutError)) refusal = error;
      const again = isRetryable(error) && performance.now() + delay < deadline;
      if (!again) throw cannotConnect(address, target, refusal ?? error);
    }
    await sleep(delay, signal);
  }
}

type NetworkTarget = Extract<ParsedAddress, { kind: "tcp" | "tls" }>;
type SocketTarget = Exclude<ParsedAddress, { kind: "memory" }>;

async function listenUnix(path: string, options: ListenOptions): Promise<Listener> {
  const directory = options.makeDirectory ? dirname(path) : undefined;
  try {
    if (directory === undefined) await removeStaleSocket(path);
    else makeSocketDirectory(directory);
  } catch (error) {
    throw withFlags(error, { kind: "unix", path });
  }
  const server = createServer((socket) => options.accept(new SocketTransport(socket)));
  try {
    await bind(server, { path });
  } catch (error) {
    if (directory !== undefined) removeSocketDirectory(directory);
    throw withFlags(error, { kind: "unix", path });
  }
  const made = socketIdentity(path);
  return new SocketListener(server, `unix:${path}`, (close) => {
    closeSocketFile(path, made, close);
    if (directory !== undefined) removeSocketDirectory(directory);
  });
}

async function listenTcp(target: NetworkTarget, options: ListenOptions): Promise<Listener> {
  const { kind, host, port } = target;
  const accept = (socket: Socket) => {
    socket.setNoDelay(true);
    options.accept(new SocketTransport(socket));
  };
  const server = kind === "tcp" ? createServer(accept) : await tlsServer(options.tls, accept);
  try {
    await bind(server, { host, port });
  } catch (error) {
    throw withFlags(error, target);
  }
  const bound = (server.address() as AddressInfo).port;
  return new SocketListener(server, formatAddress(kind, host, bound), (close) => close());
}

async function tlsServer(
  tls: TlsOptions | undefined,
  accept: (socket: Socket) => void,
): Promise<Server> {
  const { createServer } = await loadTls();
  return createServer({ cert: tls?.cert, key: tls?.key, handshakeTimeout }, accept);
}

/** Only where it is used: most programs would wait for it in vain at their start. */
function loadTls(): Promise<typeof import("node:tls")> {
  return import("node:tls");
}

class SocketListener implements Listener {
  readonly address: string;
  readonly #server: Server;
  readonly #around: (close: () => void) => void;
  #closed = false;

  /** `around` runs the function that closes the server, and cleans up. */
  constructor(server: Server, address: string, around: (close: () => void) => void) {
    this.#server = server;
    this.address = address;
    this.#around = around;
  }

  ref(): void {
    if (!this.#closed) this.#server.ref();
  }

  unref(): void {
    if (!this.#closed) this.#server.unref();
  }

  // `server.close()` stops accepting at once; its callback would wait for all connections.
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    try {
      this.#around(() => this.#server.close());
      return Promise.resolve();
    } catch (error) {
      // What cannot be removed must not keep the process alive.
      if (this.#server.listening) this.#server.close();
      return Promise.reject(error);
    }
  }
}

function bind(
  server: Server,
  where: { path: string } | { host: string; port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...where, backlog, exclusive: true }, () => {
      server.off("error", reject);
      // A connection that cannot be accepted, as with no file descriptor left, ends nothing else.
      server.on("error", () => {});
      resolve();
    });
  });
}

/** How a socket to the target is opened, and the event that says that it is. */
interface Opener {
  readonly event: "connect" | "secureConnect";
  open(): Socket;
}

async function opener(target: SocketTarget, tls: TlsOptions | undefined): Promise<Opener> {
  const event = "connect";
  if (target.kind === "unix") return { event, open: () => connectNet({ path: target.path }) };
  const { host, port } = target;
  if (target.kind === "tcp") {
    return {
      event,
      open: () => connectNet({ host, port, noDelay: true }),
    };
  }
  const { connect } = await loadTls();
  const options = { host, port, ca: tls?.ca, servername: tls?.servername };
  return { event: "secureConnect", open: () => connect(options).setNoDelay(true) };
}

function opened(
  { open, event }: Opener,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = open();
    const settle = (error?: unknown) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.off("error", settle);
      if (error === undefined) return resolve(socket);
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const abort = () => settle(signal?.reason);
    const timer = setTimeout(
      () => settle(new TimeoutError("timed out")),
      Math.min(timeout, maxTimeout),
    );
    signal?.addEventListener("abort", abort);
    socket.on("error", settle);
    socket.once(event, () => settle());
  });
}

/**
 * Refuses what nobody can listen on, as {@linkcode listen} does, before anything is started.
 *
 * @throws {TypeError} If the address is none, is in memory, or does not go with the option `tls`.
 * @throws {RangeError} If the path of the socket is too long.
 */
export function checkListen(address: string, tls: TlsOptions | undefined): SocketTarget {
  const target = parseAddress(address);
  if (target.kind === "memory") throw notASocket(address);
  checkTls(address, target, tls);
  if (target.kind === "tls" && (tls?.cert === undefined || tls.key === undefined)) {
    throw new TypeError(`The address "${address}" needs the options tls.cert and tls.key`);
  }
  return target;
}

function checkTls(address: string, target: ParsedAddress, tls: TlsOptions | undefined): void {
  if (tls === undefined || target.kind === "tls") return;
  throw new TypeError(`The option tls needs an address "tls://host:port", not "${address}"`);
}

function notASocket(address: string): TypeError {
  return new TypeError(
    `The address "${address}" exists only in the thread that made it, with Manager.local(): ` +
      "there is no socket to reach it from elsewhere",
  );
}

/** Refused: not yet listening, or restarting. The others: the backlog or a table is full. */
const retryableCodes = new Set(["ECONNREFUSED", "EAGAIN", "EWOULDBLOCK", "EMFILE", "ENFILE"]);

function isRetryable(error: unknown): boolean {
  const { code, errors } = error as { code?: string; errors?: unknown[] };
  // A host with several addresses fails with all of their errors.
  if (Array.isArray(errors) && errors.length > 0) return errors.every(isRetryable);
  return code !== undefined && retryableCodes.has(code);
}

function cannotConnect(address: string, target: SocketTarget, error: unknown): Error {
  const cause = withFlags(error, target);
  const text = `Cannot connect to "${address}": ${messageOf(cause)}`;
  return new ConnectionClosedError(text, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** Names the permission flags where it was their lack that failed. */
function withFlags(error: unknown, target: SocketTarget): unknown {
  if (!isPermissionError(error)) return error;
  const flags = permissionFlags(target).join(" ");
  return new Error(`${messageOf(error)}\nRun the program with ${flags}`, { cause: error });
}

function permissionFlags(target: SocketTarget): string[] {
  if (target.kind !== "unix") {
    const { host, port } = target;
    return [`--allow-net=${formatAddress("tcp", host, port).slice("tcp://".length)}`];
  }
  const directory = dirname(target.path);
  return [
    `--allow-net=unix:${target.path}`,
    `--allow-read=${directory}`,
    `--allow-write=${directory}`,
  ];
}

function sleep(delay: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delay);
    signal?.addEventListener("abort", done);
  });
}
