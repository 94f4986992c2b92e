/**
 * The two ends of a pipe, where they are kept: a bounded buffer for each direction. What passes is
 * packed; nobody looks into it here.
 *
 * Above: pipe.ts shares them. Below: objects/waiting.ts, objects/handover.ts.
 *
 * @module
 */

import { ConnectionClosedError, TimeoutError } from "../errors.ts";
import type { Definition } from "../objects/definition.ts";
import { Handover } from "../objects/handover.ts";
import { type WaitingCaller, WaitingLine, type WaitOptions } from "../objects/waiting.ts";
import { type Parcel, passesOf, sizeOf } from "./parcel.ts";

/** The typeid of the ends in their server. */
export const endTypeid = "connection";

/** One message, as its receiver gets it. */
export interface Message {
  /** Messages of one direction are numbered in their order. */
  readonly number: number;
  readonly parcel: Parcel;
}

/** An end as its connection sees it. */
export interface RemoteEnd {
  /** Resolves when the message has room in the pipe. */
  send(parcel: Parcel, options: WaitOptions): Promise<void>;
  /** The next message; undefined after the last. */
  receive(options: WaitOptions): Promise<Message | undefined>;
  /** Whether `receive` would not wait. */
  poll(options: WaitOptions): Promise<boolean>;
  /** The receiver has all that a message refers to. */
  claimed(number: number): Promise<void>;
  /** Nothing more is sent or received; what was sent arrives. */
  close(): Promise<void>;
}

/** How many bytes a direction holds unread, beside one message of any size. */
export const maxUnreadBytes: number = 1024 * 1024;

/** What is done with a message that nobody will have. */
export type Discard = (parcel: Parcel) => void;

/** One direction. */
export class Channel {
  readonly #maxSize: number;
  readonly #discard: Discard;
  readonly #unread: Message[] = [];
  #unreadBytes = 0;
  #nextNumber = 1;
  /** Received, and the receiver may end before it has what they refer to. */
  readonly #unclaimed = new Map<number, Parcel>();
  readonly #senders = new WaitingLine<void, Parcel>(() => this.#admit());
  readonly #receivers = new WaitingLine<Delivery | undefined>();
  readonly #pollers = new WaitingLine<boolean>();
  #sendingOver = false;
  #receivingOver = false;

  /** `maxSize` messages may be unread. */
  constructor(maxSize: number, discard: Discard) {
    this.#maxSize = maxSize;
    this.#discard = discard;
  }

  send(parcel: Parcel, caller: WaitingCaller): void | Promise<void> {
    if (this.#receivingOver || this.#sendingOver) throw nobodyReceives();
    if (this.#senders.size > 0 || !this.#hasRoom(parcel)) {
      return this.#senders.join(caller, parcel, "To send into the pipe, which is full,");
    }
    this.#add(parcel);
  }

  receive(caller: WaitingCaller): Delivery | undefined | Promise<Delivery | undefined> {
    if (this.#receivingOver) throw endClosed();
    if (this.#unread.length > 0) {
      const next = this.#take();
      this.#admit();
      return next;
    }
    if (this.#sendingOver) return undefined;
    return this.#receivers.join(caller, undefined, "To receive from the pipe, which is empty,");
  }

  async poll(caller: WaitingCaller): Promise<boolean> {
    if (this.#receivingOver) throw endClosed();
    if (this.#unread.length > 0 || this.#sendingOver) return true;
    try {
      return await this.#pollers.join(caller, undefined, "To poll");
    } catch (error) {
      if (error instanceof TimeoutError) return false;
      throw error;
    }
  }

  claimed(number: number): void {
    this.#unclaimed.delete(number);
  }

  /** The receiver did not get it: it is the next one again. */
  giveBack(message: Message): void {
    if (this.#receivingOver) return;
    this.#unclaimed.delete(message.number);
    const later = this.#unread.findIndex(({ number }) => number > message.number);
    this.#unread.splice(later < 0 ? this.#unread.length : later, 0, message);
    this.#unreadBytes += sizeOf(message.parcel);
    this.#serve();
  }

  /** Nothing more is sent: whatever waits for room is in. */
  endSending(): void {
    if (this.#sendingOver) return;
    this.#sendingOver = true;
    while (this.#senders.size > 0) this.#admitFirst();
    this.#receivers.serveAll(undefined);
    this.#pollers.serveAll(true);
  }

  /** Nobody receives any more: what is on its way is lost, and its sender told. */
  endReceiving(): void {
    if (this.#receivingOver) return;
    this.#receivingOver = true;
    this.#senders.refuseAll(nobodyReceives);
    this.#receivers.refuseAll(endClosed);
    this.#pollers.refuseAll(endClosed);
    const lost = [
      ...this.#unread.splice(0).map(({ parcel }) => parcel),
      ...this.#unclaimed.values(),
    ];
    this.#unclaimed.clear();
    for (const parcel of lost) this.#discard(parcel);
  }

  #hasRoom(parcel: Parcel): boolean {
    if (this.#unread.length === 0) return true;
    return this.#unread.length < this.#maxSize &&
      this.#unreadBytes + sizeOf(parcel) <= maxUnreadBytes;
  }

  #add(parcel: Parcel): void {
    this.#unread.push({ number: this.#nextNumber++, parcel });
    this.#unreadBytes += sizeOf(parcel);
    this.#serve();
  }

  #serve(): void {
    while (this.#receivers.size > 0 && this.#unread.length > 0) this.#receivers.serve(this.#take());
    if (this.#unread.length > 0) this.#pollers.serveAll(true);
  }

  #take(): Delivery {
    const message = this.#unread.shift()!;
    const { number, parcel } = message;
    this.#unreadBytes -= sizeOf(parcel);
    if (passesOf(parcel).length > 0) this.#unclaimed.set(number, parcel);
    return new Delivery(message, this);
  }

  /** Lets in who waits, as far as there is room. */
  #admit(): void {
    while (this.#senders.size > 0 && this.#hasRoom(this.#senders.first!)) this.#admitFirst();
  }

  #admitFirst(): void {
    const parcel = this.#senders.first!;
    this.#senders.serve();
    this.#add(parcel);
  }
}

/** A message on its way to its receiver. */
class Delivery extends Handover {
  readonly content: Message;
  readonly #channel: Channel;

  constructor(message: Message, channel: Channel) {
    super();
    this.content = message;
    this.#channel = channel;
  }

  giveBack(): void {
    this.#channel.giveBack(this.content);
  }
}

/** One end. A direction that it does not have is undefined. */
export class PipeEnd {
  readonly #incoming: Channel | undefined;
  readonly #outgoing: Channel | undefined;
  readonly #closed: () => void;

  /** `closed` is called when the end is closed, perhaps more than once. */
  constructor(
    incoming: Channel | undefined,
    outgoing: Channel | undefined,
    closed: () => void,
  ) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#closed = closed;
  }

  send(parcel: Parcel, _options: WaitOptions, caller: WaitingCaller): void | Promise<void> {
    if (!this.#outgoing) throw oneWay("send", "receives");
    return this.#outgoing.send(parcel, caller);
  }

  receive(
    _options: WaitOptions,
    caller: WaitingCaller,
  ): Delivery | undefined | Promise<Delivery | undefined> {
    return this.#readable("receive").receive(caller);
  }

  poll(_options: WaitOptions, caller: WaitingCaller): Promise<boolean> {
    return this.#readable("poll").poll(caller);
  }

  claimed(number: number): void {
    this.#incoming?.claimed(number);
  }

  /** A receiver had given up waiting when its message came. */
  takeBack(message: Message): void {
    this.#incoming?.giveBack(message);
  }

  close(): void {
    this.#outgoing?.endSending();
    this.#incoming?.endReceiving();
    this.#closed();
  }

  #readable(method: string): Channel {
    if (this.#incoming) return this.#incoming;
    throw oneWay(method, "sends");
  }
}

/** What the server must know of the ends. An end that nobody holds, not even a ticket, is closed. */
export function endDefinition(ends: readonly PipeEnd[]): Definition {
  return {
    create: (index) => ends[index as number],
    class: PipeEnd,
    exposed: ["send", "receive", "poll", "claimed", "close"],
    proxyName: "ConnectionProxy",
    waits: { send: 1, receive: 0, poll: 0 },
    takeBack: (end: PipeEnd, method, result) => {
      if (method === "receive" && result !== undefined) end.takeBack(result as Message);
    },
    unheld: (end: PipeEnd) => end.close(),
  };
}

function nobodyReceives(): ConnectionClosedError {
  return new ConnectionClosedError("Cannot send: the other end of the pipe is closed");
}

function endClosed(): ConnectionClosedError {
  return new ConnectionClosedError("Cannot receive: this end of the pipe was closed");
}

function oneWay(method: string, does: string): TypeError {
  return new TypeError(
    `Cannot ${method}: this connection only ${does}, as its pipe was made with { duplex: false }`,
  );
}
