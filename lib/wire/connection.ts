/**
 * One connection: frames in both directions over a transport, written once per turn of the event
 * loop, with long replies in pieces. It knows frames and their limits, not what they mean.
 *
 * Above: auth.ts, client.ts, session.ts. Below: frame.ts, protocol.ts, transport.ts.
 *
 * @module
 */

import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import { ConnectionClosedError, LimitExceededError } from "../errors.ts";
import { type Fields, FrameReader, FrameWriter } from "./frame.ts";
import { Kind, pieceBytes, writeBytes, writePiece } from "./protocol.ts";
import type { Transport } from "./transport.ts";
import { handshakeBytes, maxTimeout } from "../limits.ts";
import { endOfTurn } from "../runtime.ts";

/** Who is told of what a connection receives. */
export interface Receiver {
  /** One message. `fields` is valid only during the call; what it throws closes the connection. */
  message(kind: number, fields: Fields): void;
  /** The connection is over, for this reason. Called once; nothing is delivered afterwards. */
  closed(reason: Error): void;
}

/** Limits of one connection; see `Limits`. */
export interface ConnectionLimits {
  maxOutputBytes: number;
  stalledTimeout: number;
}

interface LongReply {
  readonly id: number;
  readonly body: Uint8Array;
  sentBytes: number;
}

/** Milliseconds that a peer has to read the rest after the end. */
const lingerTimeout = 30_000;
const nothing = new Uint8Array(0);
const unlimited: ConnectionLimits = { maxOutputBytes: Infinity, stalledTimeout: Infinity };

/** One connection, seen from one end. */
export class Connection {
  /** Where messages are written; call {@linkcode schedule} afterwards. */
  readonly output: FrameWriter = new FrameWriter();
  readonly #transport: Transport;
  readonly #reader = new FrameReader(handshakeBytes);
  readonly #limits: ConnectionLimits;
  #receiver: Receiver;
  #closed: Error | undefined;
  #scheduled = false;
  /** Frames are being delivered: what is written meanwhile is sent right after the last of them. */
  #reading = false;
  #blocked = false;
  #paused = false;
  // Made once, not in every turn.
  readonly #deliver = (fields: Fields) => this.#frame(fields);
  readonly #flushLater = () => this.flush();
  #longReplies: LongReply[] = [];
  #longReplyBytes = 0;
  #stall: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #alive = true;
  #linger: ReturnType<typeof setTimeout> | undefined;
  /** Milliseconds since something was received. */
  #silence = 0;

  /** Takes over the transport. Frames are limited to those of a handshake until {@linkcode open}. */
  constructor(transport: Transport, receiver: Receiver, limits: ConnectionLimits = unlimited) {
    this.#transport = transport;
    this.#receiver = receiver;
    this.#limits = limits;
    transport.start({
      data: (chunk) => this.#data(chunk),
      drain: () => this.#drain(),
      close: (error) => {
        clearTimeout(this.#linger);
        this.#over(closedBy(error));
      },
    });
  }

  /** The peer has proved the authkey: its frames may have up to `maxFrameBytes` from now on. */
  trust(maxFrameBytes: number): void {
    this.#reader.maxBytes = maxFrameBytes;
  }

  /**
   * Closes the connection, saying so, if it is not opened within `timeout` milliseconds. In two
   * halves: while this process does something else for longer, the peer's answer may be there.
   */
  openWithin(timeout: number, late: string): void {
    const half = Math.min(timeout, maxTimeout) / 2;
    const wait = (then: () => void) => {
      this.#deadline = setTimeout(then, half);
      if (!this.#alive) this.#deadline.unref();
    };
    wait(() => wait(() => this.close(new ConnectionClosedError(late))));
  }

  /** The handshake is over: from now on frames of up to `maxFrameBytes` go to `receiver`. */
  open(maxFrameBytes: number, receiver: Receiver): void {
    clearTimeout(this.#deadline);
    this.trust(maxFrameBytes);
    this.#receiver = receiver;
  }

  /** Why the connection is over, or undefined. */
  get closed(): Error | undefined {
    return this.#closed;
  }

  /** Bytes on their way to the peer that the system has not accepted yet. */
  get outputBytes(): number {
    return this.output.pendingBytes + this.#longReplyBytes + this.#transport.bufferedBytes;
  }

  /** Whether the connection keeps the process alive. */
  keepAlive(alive: boolean): void {
    this.#alive = alive;
    for (const one of [this.#transport, this.#deadline]) {
      if (alive) one?.ref();
      else one?.unref();
    }
  }

  /** Sends what was written to {@linkcode output} before this turn of the event loop ends. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (!this.#reading) endOfTurn(this.#flushLater);
  }

  /** Sends what was written, now. */
  flush(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    this.#write();
    this.#sendPieces();
    this.#limitOutput();
  }

  /** Queues a reply's frame body that is too long for one frame; pieces of several replies alternate. */
  sendLongReply(id: number, body: Uint8Array): void {
    this.#longReplies.push({ id, body, sentBytes: 0 });
    this.#longReplyBytes += body.length;
    this.schedule();
  }

  /** Pings a peer whose death the system may not report; silence of `timeout` ms closes the connection. */
  watch(interval: number, timeout: number): void {
    this.#ping = setInterval(() => {
      // What is not read is not silence.
      if (this.#paused) return;
      // Counted, not measured: after a turn that took long this runs before what came meanwhile is read.
      this.#silence += interval;
      if (this.#silence > timeout) {
        this.close(new ConnectionClosedError(`The peer was silent for ${timeout} ms`));
        return;
      }
      writeBytes(this.output, Kind.Ping, nothing);
      this.schedule();
    }, interval);
    this.#ping.unref();
  }

  /**
   * Sends what was written and all long replies' rest, then closes. Nothing more is received.
   * Resolves when the peer has read all, or after `patience` milliseconds.
   */
  end(reason: Error, patience: number = lingerTimeout): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#write();
    while (this.#longReplies.length > 0) this.#sendPiece();
    this.#linger = setTimeout(() => this.#transport.destroy(), patience);
    this.#linger.unref();
    const ended = this.#transport.end();
    this.#over(reason);
    return ended;
  }

  /** Closes at once, also what still sends after its end. */
  close(reason: Error): void {
    this.#transport.destroy();
    this.#over(reason);
  }

  #over(reason: Error): void {
    if (this.#closed) return;
    this.#closed = reason;
    clearTimeout(this.#deadline);
    if (this.#stall) clearTimeout(this.#stall);
    if (this.#ping) clearInterval(this.#ping);
    this.#longReplies = [];
    this.#longReplyBytes = 0;
    this.#receiver.closed(reason);
  }

  #data(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#silence = 0;
    this.#reading = true;
    try {
      this.#reader.push(chunk, this.#deliver);
    } catch (error) {
      // A receiver that ended the connection itself still has something to say.
      if (!this.#closed) this.close(error as Error);
    }
    this.#reading = false;
    if (this.#scheduled) this.flush();
  }

  #frame(fields: Fields): void {
    if (this.#closed) return;
    const kind = fields.byte();
    if (kind === Kind.Ping) {
      writeBytes(this.output, Kind.Pong, nothing);
      this.schedule();
      return;
    }
    if (kind !== Kind.Pong) this.#receiver.message(kind, fields);
  }

  #write(): void {
    if (this.output.pendingBytes === 0) return;
    for (const chunk of this.output.take()) {
      if (!this.#transport.write(chunk)) this.#blocked = true;
    }
  }

  #sendPieces(): void {
    while (!this.#blocked && this.#longReplies.length > 0) this.#sendPiece();
  }

  #sendPiece(): void {
    const reply = this.#longReplies.shift()!;
    const piece = reply.body.subarray(reply.sentBytes, reply.sentBytes + pieceBytes);
    writePiece(this.output, reply.id, reply.body.length, piece);
    reply.sentBytes += piece.length;
    this.#longReplyBytes -= piece.length;
    if (reply.sentBytes < reply.body.length) this.#longReplies.push(reply);
    this.#write();
  }

  #drain(): void {
    this.#blocked = false;
    if (!this.#closed) this.flush();
  }

  /** Stops reading above the limit until half has drained, and gives up on a peer that reads nothing. */
  #limitOutput(): void {
    const bytes = this.outputBytes;
    // Only a full transport tells when it has room again.
    if (!this.#paused && this.#blocked && bytes > this.#limits.maxOutputBytes) {
      this.#paused = true;
      this.#transport.pause();
    } else if (this.#paused && (!this.#blocked || bytes <= this.#limits.maxOutputBytes / 2)) {
      this.#paused = false;
      this.#transport.resume();
    }
    if (bytes > 0 && !this.#stall && this.#limits.stalledTimeout < Infinity) this.#watchStall();
  }

  #watchStall(): void {
    const accepted = this.#transport.acceptedBytes;
    this.#stall = setTimeout(() => {
      this.#stall = undefined;
      if (this.#closed || this.outputBytes === 0) return;
      if (this.#transport.acceptedBytes === accepted) {
        this.close(
          new LimitExceededError(
            `The peer accepted no byte for ${this.#limits.stalledTimeout} ms (limit stalledTimeout)`,
          ),
        );
        return;
      }
      this.#watchStall();
    }, this.#limits.stalledTimeout);
    this.#stall.unref();
  }
}

function closedBy(error: Error | undefined): ConnectionClosedError {
  return error === undefined
    ? new ConnectionClosedError("The peer closed the connection")
    : new ConnectionClosedError(`The connection was lost: ${error.message}`, { cause: error });
}
