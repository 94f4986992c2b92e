/**
 * A transport within one thread: two ends that hand each other their bytes. It behaves like a
 * socket: it never delivers inside `write()`, it fills up while the other end does not read.
 *
 * Above: `transport.ts`. Below: nothing.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import type { Receiver, Transport } from "./transport.ts";

/** An end is full when the other end has not taken this many bytes. */
const fullBytes = 1024 * 1024;

/** What is delivered at once, and in one turn of the event loop: others want their turn too. */
const pieceBytes = 256 * 1024;
const turnBytes = 1024 * 1024;

/** Two connected transports. */
export function memoryPair(): [Transport, Transport] {
  const left = new MemoryTransport();
  const right = new MemoryTransport();
  left.join(right);
  right.join(left);
  return [left, right];
}

class MemoryTransport implements Transport {
  #peer!: MemoryTransport;
  #receiver: Receiver | undefined;
  /** What the peer wrote and this end has not received. */
  #inbox: Uint8Array[] = [];
  #bufferedBytes = 0;
  #acceptedBytes = 0;
  #full = false;
  #paused = false;
  #ended = false;
  #resolveClosed!: () => void;
  readonly #whenClosed: Promise<void> = new Promise((resolve) => this.#resolveClosed = resolve);
  #closed = false;
  #reported = false;
  #error: Error | undefined;
  #turn: ReturnType<typeof setImmediate> | undefined;

  join(peer: MemoryTransport): void {
    this.#peer = peer;
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#schedule();
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get acceptedBytes(): number {
    return this.#acceptedBytes;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#ended || this.#closed) return true;
    this.#bufferedBytes += bytes.length;
    this.#peer.#take(bytes);
    if (this.#bufferedBytes >= fullBytes) this.#full = true;
    return !this.#full;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  /** Nothing outside this thread can arrive here, so there is nothing to stay alive for. */
  ref(): void {}

  unref(): void {}

  end(): Promise<void> {
    if (this.#ended || this.#closed) return this.#whenClosed;
    this.#ended = true;
    this.#discard();
    this.#peer.#schedule();
    return this.#whenClosed;
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#close(error);
    this.#peer.#close(undefined);
  }

  #take(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      this.#inbox.push(bytes.subarray(start, start + pieceBytes));
    }
    this.#schedule();
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#bufferedBytes = 0;
    this.#inbox = [];
    this.#resolveClosed();
    this.#schedule();
  }

  /** One turn of the event loop is one delivery, as with a socket. */
  #schedule(): void {
    if (this.#turn !== undefined || this.#receiver === undefined) return;
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      this.#deliver(this.#receiver!);
    });
  }

  #deliver(receiver: Receiver): void {
    // What is written while this runs belongs to the next turn.
    const chunks = this.#inbox.splice(0);
    let taken = 0;
    for (let bytes = 0; taken < chunks.length && bytes < turnBytes; taken++) {
      if (this.#paused || this.#ended || this.#closed) break;
      const chunk = chunks[taken]!;
      bytes += chunk.length;
      this.#peer.#accepted(chunk.length);
      receiver.data(chunk);
    }
    if (!this.#closed) this.#inbox = chunks.slice(taken).concat(this.#inbox);
    if (this.#inbox.length > 0 && !this.#paused) this.#schedule();
    if (this.#ended) this.#discard();
    if (this.#inbox.length === 0 && this.#peer.#ended) this.destroy();
    if (this.#closed) this.#report(receiver);
  }

  /** After `end()` nothing is delivered; what the peer wrote counts as taken. */
  #discard(): void {
    for (const chunk of this.#inbox.splice(0)) this.#peer.#accepted(chunk.length);
  }

  #accepted(bytes: number): void {
    if (this.#closed) return;
    this.#bufferedBytes -= bytes;
    this.#acceptedBytes += bytes;
    if (!this.#full || this.#bufferedBytes > fullBytes / 2) return;
    this.#full = false;
    setImmediate(() => {
      if (!this.#closed && !this.#ended) this.#receiver?.drain();
    });
  }

  #report(receiver: Receiver): void {
    if (this.#reported) return;
    this.#reported = true;
    if (this.#turn !== undefined) clearImmediate(this.#turn);
    receiver.close(this.#error);
  }
}
