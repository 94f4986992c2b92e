/**
 * A transport over one socket of `node:net` or `node:tls`.
 *
 * Above: `transport.ts`. Below: the runtime's sockets.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { Receiver, Transport } from "./transport.ts";

/**
 * A socket gets at most two of these at a time: the runtimes report a write only when all of it
 * (and all that they gathered with it) was accepted, and a slow reader's progress must be seen.
 */
const pieceBytes = 256 * 1024;
const maxGivenBytes = 2 * pieceBytes;

/** A transport is full when this much is buffered, and drained at half of it. */
const fullBytes = 1024 * 1024;

/** See {@linkcode Transport}; `socket` is connected. */
export class SocketTransport implements Transport {
  readonly #socket: Socket;
  #receiver: Receiver | undefined;
  /** Pieces that the socket was not given yet. */
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Bytes given to the socket that the system has not accepted. */
  #givenBytes = 0;
  #acceptedBytes = 0;
  #full = false;
  #referenced = true;
  #ended = false;
  readonly #whenClosed: Promise<void>;
  #resolveClosed!: () => void;
  /** It is being closed, for a reason that is known. */
  #over = false;
  #closed = false;
  #error: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#whenClosed = new Promise((resolve) => this.#resolveClosed = resolve);
    socket.on("error", (error: Error) => {
      // Deno also reports the writes that closing cut off.
      if (!this.#over) this.#error ??= error;
    });
    socket.on("close", () => this.#close());
    // The peer sent all it will send and takes no more: its `end()` closes both directions.
    socket.on("end", () => this.destroy());
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver;
    if (this.#closed) {
      queueMicrotask(() => receiver.close(this.#error));
      return;
    }
    this.#socket.on("data", (chunk: Uint8Array) => {
      if (!this.#ended) receiver.data(chunk);
    });
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + this.#givenBytes;
  }

  get acceptedBytes(): number {
    return this.#acceptedBytes;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#ended || this.#closed || bytes.length === 0) return !this.#full;
    if (this.#queue.length === 0 && bytes.length <= pieceBytes && this.#givenBytes < pieceBytes) {
      this.#give(bytes);
    } else {
      this.#enqueue(bytes);
      this.#pump();
    }
    if (this.bufferedBytes >= fullBytes) this.#full = true;
    return !this.#full;
  }

  pause(): void {
    if (!this.#ended) this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  ref(): void {
    if (this.#referenced) return;
    this.#referenced = true;
    this.#socket.ref();
  }

  unref(): void {
    if (!this.#referenced) return;
    this.#referenced = false;
    if (!this.#ended) this.#socket.unref();
  }

  end(): Promise<void> {
    if (this.#ended || this.#closed) return this.#whenClosed;
    this.#ended = true;
    // Read on, to see the peer close; nobody is given what still comes.
    this.#socket.resume();
    this.#socket.ref();
    this.#endWhenGiven();
    return this.#whenClosed;
  }

  destroy(error?: Error): void {
    if (this.#over || this.#closed) return;
    this.#over = true;
    this.#ended = true;
    this.#error ??= error;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#socket.destroy();
  }

  #enqueue(bytes: Uint8Array): void {
    this.#queuedBytes += bytes.length;
    if (bytes.length <= pieceBytes) {
      this.#queue.push(bytes);
      return;
    }
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      this.#queue.push(bytes.subarray(start, start + pieceBytes));
    }
  }

  #pump(): void {
    let pieces = 0;
    while (this.#givenBytes < maxGivenBytes && pieces < this.#queue.length) {
      const piece = this.#queue[pieces++]!;
      this.#queuedBytes -= piece.length;
      this.#give(piece);
    }
    if (pieces > 0) this.#queue.splice(0, pieces);
  }

  #give(piece: Uint8Array): void {
    this.#givenBytes += piece.length;
    this.#socket.write(piece, (error) => {
      if (error) return; // "error" and "close" follow
      this.#accepted(piece.length);
    });
  }

  #accepted(bytes: number): void {
    this.#givenBytes -= bytes;
    this.#acceptedBytes += bytes;
    if (this.#closed) return;
    if (this.#queue.length > 0) this.#pump();
    if (this.#ended) this.#endWhenGiven();
    if (!this.#full || this.bufferedBytes > fullBytes / 2) return;
    this.#full = false;
    if (!this.#ended) this.#receiver?.drain();
  }

  /** The socket itself keeps what it was given, also after its `end()`. */
  #endWhenGiven(): void {
    if (this.#queue.length === 0) this.#socket.end();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#givenBytes = 0;
    this.#resolveClosed();
    this.#receiver?.close(this.#error);
  }
}
