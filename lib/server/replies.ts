/**
 * What a session sends: replies with their references, credited to the session as they leave, and
 * the method tables that the client needs to make proxies of them.
 *
 * Above: session.ts. Below: exceptions.ts, connection.ts, a serializer.
 *
 * @module
 */

import { LimitExceededError, ManagerError, ProtocolError, UnknownObjectError } from "../errors.ts";
import { describeException, type ErrorClass, type Exception, textOf } from "../exceptions.ts";
import { envelopeBytes, type Limits } from "../limits.ts";
import type { Connection } from "../wire/connection.ts";
import { FrameWriter, headerBytes } from "../wire/frame.ts";
import { fits, Kind, pieceBytes, sizeOf, Status, writeJson, writeReply } from "../wire/protocol.ts";
import { type Serializer, withRoot } from "../wire/serializer.ts";
import type { OpenHandle } from "./handles.ts";
import type { LocalOwner } from "./local.ts";
import type { Entry } from "./registry.ts";

/** An object that the session holds. */
export interface Hold {
  readonly entry: Entry;
  receipts: number;
}

/** What replies need of the server. */
export interface ReplyHost {
  readonly owner: LocalOwner;
  readonly limits: Limits;
  readonly serializer: Serializer;
  readonly errors: ReadonlyMap<string, ErrorClass>;
  /** Bytes wait for the session that it does not read. */
  outputGrew(): void;
}

/** A payload and the objects that it refers to, also as the header of a reply says it. */
interface Encoded {
  readonly payload: Uint8Array;
  readonly entries: readonly Entry[];
  readonly references: readonly number[];
}

const nothing: Encoded = { payload: new Uint8Array(0), entries: [], references: [] };
/** What waits for one session counts among the output of all when it is more than this. */
const noticedBytes = 1024 * 1024;

/** The replies of one session, and the receipts that they gave it. */
export class Replies {
  readonly #host: ReplyHost;
  readonly #connection: Connection;
  readonly #maxPayloadBytes: number;
  readonly #holds = new Map<number, Hold>();
  readonly #knownTables = new Set<number>();
  #receipts = 0;

  constructor(host: ReplyHost, connection: Connection, maxPayloadBytes: number) {
    this.#host = host;
    this.#connection = connection;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /** The objects that the session holds, by number. */
  get holds(): ReadonlyMap<number, Hold> {
    return this.#holds;
  }

  /** Receipts of all objects together. */
  get receipts(): number {
    return this.#receipts;
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

  /** The client gives receipts back. */
  release(id: number, receipts: number): void {
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

  /** The session is over: all receipts are void. */
  releaseAll(): void {
    for (const { entry } of this.#holds.values()) this.#host.owner.registry.letGo(entry);
    this.#holds.clear();
    this.#receipts = 0;
  }

  /** Answers a call with a value; throws, and sends nothing, if it cannot be sent. */
  value(id: number, value: unknown, maxBytes?: number): void {
    this.#send(id, Status.Value, this.#encode(value, this.#atMost(maxBytes)));
  }

  /** Answers a call with a handle and what comes with it, or throws. */
  handle(id: number, handle: OpenHandle, maxBytes?: number): void {
    const encoded = this.#encode(handle.content, this.#atMost(maxBytes));
    this.#send(id, Status.Handle, encoded, handle.kind, handle.id);
  }

  /** Tells the client that its call waits no more, although its answer is still to come. */
  settling(id: number): void {
    this.#send(id, Status.Settling, nothing);
  }

  /** Tells the client that its call was cancelled before it had an effect. */
  cancelled(id: number): void {
    this.#send(id, Status.Cancelled, nothing);
  }

  /** Answers a call with what was thrown. */
  exception(id: number, thrown: unknown): void {
    const { errors } = this.#host;
    const canSend = (value: unknown) => this.#canSend(value);
    try {
      this.#send(
        id,
        Status.Error,
        this.#encodeException(describeException(thrown, errors, canSend)),
      );
    } catch (cause) {
      const text = textOf(thrown).slice(0, 1024);
      const plain = new ManagerError(`An exception could not be sent: ${text}: ${cause}`);
      this.#send(
        id,
        Status.Error,
        this.#encodeException(describeException(plain, errors, canSend)),
      );
    }
  }

  /** How many bytes the value is, without giving receipts. */
  measure(value: unknown): number {
    const { serializer, owner } = this.#host;
    return serializer.encode(value, owner.outgoing(() => 0)).length;
  }

  /** Whether a part of an exception can go along without making it too long. */
  #canSend(value: unknown): boolean {
    try {
      return this.measure(value) <= this.#maxPayloadBytes / 16;
    } catch {
      return false;
    }
  }

  #atMost(maxBytes = Infinity): number {
    return Math.min(maxBytes, this.#maxPayloadBytes);
  }

  /** However little the client takes, the envelope has room for what went wrong. */
  #encodeException(exception: Exception): Encoded {
    return this.#encode(exception, Math.max(this.#maxPayloadBytes, envelopeBytes / 2));
  }

  #encode(value: unknown, maxBytes = this.#maxPayloadBytes): Encoded {
    if (value === undefined) return nothing;
    const entries: Entry[] = [];
    const outgoing = this.#host.owner.outgoing((entry) => entries.push(entry) - 1);
    let payload: Uint8Array;
    try {
      payload = this.#host.serializer.encode(value, outgoing);
    } catch (error) {
      throw withRoot(error, "result");
    }
    const references = entries.flatMap((entry) => [entry.id, entry.table.id]);
    if (!fits(payload, references, maxBytes)) {
      throw new LimitExceededError(
        `Cannot send a result of ${
          sizeOf(payload, references)
        }: the client takes ${maxBytes} (limit maxMessageBytes): ask for less at once or raise the limit`,
      );
    }
    return { payload, entries, references };
  }

  #send(
    id: number,
    status: number,
    { payload, entries, references }: Encoded,
    handleKind?: number,
    handleId?: number,
  ): void {
    this.#credit(entries);
    const long = payload.length > pieceBytes;
    const output = long ? new FrameWriter() : this.#connection.output;
    writeReply(output, id, status, references, payload, handleKind, handleId);
    if (long) this.#connection.sendLongReply(id, output.take()[0]!.subarray(headerBytes));
    this.#connection.schedule();
    if (this.#connection.outputBytes > noticedBytes) this.#host.outputGrew();
  }

  /** Adds a receipt for each reference, and tells method tables that the client does not know. */
  #credit(entries: readonly Entry[]): void {
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

  #tell({ table }: Entry): void {
    if (this.#knownTables.has(table.id)) return;
    this.#knownTables.add(table.id);
    writeJson(this.#connection.output, Kind.Table, table);
  }
}
