/**
 * The vocabulary of the wire: every kind of message, its fields, and how they stand in a frame.
 * docs/protocol.md describes the same in prose; change both together.
 *
 * Above: connection.ts, client.ts, session.ts. Below: frame.ts.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import { envelopeBytes } from "../limits.ts";
import { fieldBytes, type Fields, type FrameWriter, jsonBytes, varintBytes } from "./frame.ts";

/** Both ends must speak the same version. */
export const protocolVersion = 3;

/** The first byte of every frame. */
export const Kind = {
  /** server: version, serializer, epoch, nonce */
  Hello: 1,
  /** client: version, serializer, nonce, proof, limits */
  Proof: 2,
  /** server: its own proof */
  Proven: 3,
  /** server: all that a client must know */
  Welcome: 4,
  /** server, before authentication: why it closes */
  Refused: 5,
  /** client: evaluate a method */
  Call: 16,
  /** client: nobody waits for this call any more */
  Cancel: 17,
  /** client: receipts given back */
  Release: 18,
  /** client: a handle is released, and no answer is wanted */
  Finish: 19,
  /** server: a method table, ahead of the first reference to it */
  Table: 32,
  /** server: the answer to a call */
  Reply: 33,
  /** server: a part of a long reply */
  Piece: 34,
  /** server: it ends in order; the reason */
  Bye: 35,
  /** both: is anybody there */
  Ping: 48,
  /** both: yes */
  Pong: 49,
} as const;

/** What a call is for. */
export const Target = {
  /** The server itself; its methods are {@linkcode serverMethods}. */
  Server: 0,
  /** A shared object that the session holds. */
  Object: 1,
  /** A handle that the session was given: an iterator, a grant, leases. */
  Handle: 2,
} as const;

/** How a call ended. */
export const Status = {
  /** The payload is the value. */
  Value: 0,
  /** The payload describes the exception. */
  Error: 1,
  /** A handle follows; the payload is what comes with it. */
  Handle: 2,
  /** The call was cancelled before it had an effect; only calls that wait are told so. */
  Cancelled: 3,
  /** The call waits no more, and how it ended comes later: the server is not silent. */
  Settling: 4,
} as const;

/**
 * What a handle in a reply is, and so what comes with it: the first items of an iterator; fence and
 * `abandoned` of a grant; value and attempt of each lease; the result of the call, whose items the
 * session has to finish otherwise.
 */
export const HandleKind = { Iterator: 1, Grant: 2, Lease: 3, Items: 4 } as const;

/** The methods of handles, by index. Each kind has its own; all have `return`: nobody takes it. */
export const handleMethods = ["next", "return", "release", "ack", "nack"] as const;

/**
 * Methods that every object has, before those of its table. `takeBack` gets what a wait gave when
 * nobody waited any more.
 */
export const universalMethods = ["str", "getValue", "iterate", "takeBack"] as const;

/** Index of the first method of an object's own table. */
export const firstMethod: number = universalMethods.length;

/** The server's own methods, by index. */
export const serverMethods = [
  "create",
  "named",
  "publish",
  "lookup",
  "unpublish",
  "exportProxy",
  "importProxy",
  "numberOfObjects",
  "debugInfo",
  "shutdown",
  "revokeTicket",
] as const;

/** Replies longer than this travel in pieces of this size. */
export const pieceBytes: number = 256 * 1024;

/** One method of a table. */
export interface Method {
  /** Its name. */
  readonly name: string;
  /** Position of the argument that holds `{ timeout, signal }`, if the method may wait for another caller. */
  readonly waitOptions?: number;
  /** Position of the argument that may hold `{ guard }`, if the method can be bound to a grant. */
  readonly guardOptions?: number;
}

/** What a client must know to build proxies of an object; the order of the methods is their index. */
export interface MethodTable {
  /** Unique in its server. */
  readonly id: number;
  /** The typeid of the objects. */
  readonly typeid: string;
  /** What `repr` prints, such as `ListProxy`. */
  readonly proxyName: string;
  /** The exposed methods. */
  readonly methods: readonly Method[];
  /** Whether the proxy can be iterated over. */
  readonly iterable: boolean;
  /** Whether unknown names of the proxy are attributes of the referent. */
  readonly attributes: boolean;
}

/** What the server tells a client that it trusts. */
export interface Welcome {
  /** The session's id. */
  readonly session: string;
  /** The most bytes of user value in one message to the server. */
  readonly maxMessageBytes: number;
  /** The typeids, with their tables where they are known beforehand, and the module of users' ones. */
  readonly types: Readonly<Record<string, AnnouncedType>>;
}

/** One typeid as the server announces it. */
export interface AnnouncedType {
  /** The method table, unless it is known only of the objects. */
  readonly table?: MethodTable;
  /** The module that defines the typeid; absent for built-ins. */
  readonly module?: string;
}

/** A call as it stands in a frame. `payload` is empty for no arguments. */
export interface Call {
  readonly id: number;
  readonly target: number;
  readonly targetId: number;
  readonly method: number;
  /** Milliseconds; absent: none. Only of calls that wait. */
  readonly timeout: number | undefined;
  /** Ids of the objects referred to in the payload. */
  readonly references: readonly number[];
  readonly payload: Uint8Array;
}

/** A reply as it stands in a frame. `payload` is empty for undefined. */
export interface Reply {
  readonly id: number;
  readonly status: number;
  readonly handleKind: number;
  readonly handleId: number;
  /** Object id and table id of each reference, alternating. */
  readonly references: readonly number[];
  readonly payload: Uint8Array;
}

const timeoutFlag = 0x80;

/**
 * Whether a call or a reply is within what the peer takes: the payload, and with the references in
 * its header the whole frame.
 */
export function fits(
  payload: Uint8Array,
  references: readonly number[],
  maxPayloadBytes: number,
): boolean {
  const frameBytes = payload.length + referenceBytes(references) + fieldBytes(6);
  return payload.length <= maxPayloadBytes && frameBytes <= maxPayloadBytes + envelopeBytes;
}

/** The size of a call or a reply, for messages. */
export function sizeOf(payload: Uint8Array, references: readonly number[]): string {
  const bytes = `${payload.length} bytes`;
  return references.length === 0
    ? bytes
    : `${bytes} and ${referenceBytes(references)} of references`;
}

function referenceBytes(references: readonly number[]): number {
  let bytes = 0;
  for (const reference of references) bytes += varintBytes(reference);
  return bytes;
}

/** Writes a call. Arguments, not an object: this is the hot path. */
export function writeCall(
  frame: FrameWriter,
  id: number,
  target: number,
  targetId: number,
  method: number,
  timeout: number | undefined,
  references: readonly number[],
  payload: Uint8Array,
): void {
  frame.begin(Kind.Call, fieldBytes(6 + references.length) + payload.length);
  frame.varint(id);
  frame.byte(timeout === undefined ? target : target | timeoutFlag);
  frame.varint(targetId);
  frame.varint(method);
  if (timeout !== undefined) frame.varint(timeout);
  writeReferences(frame, references);
  frame.bytes(payload);
  frame.finish();
}

/** Reads a call. */
export function readCall(fields: Fields): Call {
  const id = fields.varint();
  const flags = fields.byte();
  const targetId = fields.varint();
  const method = fields.varint();
  const timeout = flags & timeoutFlag ? fields.varint() : undefined;
  const references = readReferences(fields, 1);
  return {
    id,
    target: flags & ~timeoutFlag,
    targetId,
    method,
    timeout,
    references,
    payload: fields.rest(),
  };
}

/** Writes a reply; a handle's kind and id are written only with `Status.Handle`. */
export function writeReply(
  frame: FrameWriter,
  id: number,
  status: number,
  references: readonly number[],
  payload: Uint8Array,
  handleKind = 0,
  handleId = 0,
): void {
  frame.begin(Kind.Reply, fieldBytes(5 + references.length) + payload.length);
  frame.varint(id);
  frame.byte(status);
  if (status === Status.Handle) {
    frame.byte(handleKind);
    frame.varint(handleId);
  }
  writeReferences(frame, references);
  frame.bytes(payload);
  frame.finish();
}

/** Reads a reply. */
export function readReply(fields: Fields): Reply {
  const id = fields.varint();
  const status = fields.byte();
  if (status > Status.Settling) throw new ProtocolError(`Unknown status of a reply: ${status}`);
  const isHandle = status === Status.Handle;
  const handleKind = isHandle ? fields.byte() : 0;
  const handleId = isHandle ? fields.varint() : 0;
  const references = readReferences(fields, 2);
  return { id, status, handleKind, handleId, references, payload: fields.rest() };
}

function writeReferences(frame: FrameWriter, references: readonly number[]): void {
  frame.varint(references.length);
  for (const reference of references) frame.varint(reference);
}

const none: readonly number[] = [];

function readReferences(fields: Fields, numbersEach: number): readonly number[] {
  const count = fields.varint();
  if (count === 0) return none;
  if (count > fields.remaining || count % numbersEach !== 0) {
    throw new ProtocolError(`Cannot read ${count} references from ${fields.remaining} bytes`);
  }
  const references: number[] = [];
  for (let i = 0; i < count; i++) references.push(fields.varint());
  return references;
}

/** Writes that nobody waits for a call any more. */
export function writeCancel(frame: FrameWriter, id: number): void {
  frame.begin(Kind.Cancel, fieldBytes(1));
  frame.varint(id);
  frame.finish();
}

/** Writes which receipts are given back. */
export function writeRelease(frame: FrameWriter, objectId: number, receipts: number): void {
  frame.begin(Kind.Release, fieldBytes(2));
  frame.varint(objectId);
  frame.varint(receipts);
  frame.finish();
}

/** Writes that a handle is released. */
export function writeFinish(frame: FrameWriter, handleId: number): void {
  frame.begin(Kind.Finish, fieldBytes(1));
  frame.varint(handleId);
  frame.finish();
}

/**
 * Writes a part of a long reply, and takes its bytes over: `total` is the length of the whole reply's
 * frame body.
 */
export function writePiece(
  frame: FrameWriter,
  id: number,
  total: number,
  piece: Uint8Array,
): void {
  frame.begin(Kind.Piece, fieldBytes(2));
  frame.varint(id);
  frame.varint(total);
  frame.finish(piece);
}

/** Writes a frame whose body is JSON. */
export function writeJson(frame: FrameWriter, kind: number, value: object): void {
  writeBytes(frame, kind, jsonBytes(value));
}

/** Writes a frame whose body is the bytes. */
export function writeBytes(frame: FrameWriter, kind: number, body: Uint8Array): void {
  frame.begin(kind, body.length);
  frame.bytes(body);
  frame.finish();
}

/** Checks a table that the server sent. */
export function readTable(value: unknown): MethodTable {
  const table = value as Partial<MethodTable> | null;
  const valid = typeof table === "object" && table !== null &&
    Number.isSafeInteger(table.id) && typeof table.typeid === "string" &&
    typeof table.proxyName === "string" && Array.isArray(table.methods) &&
    table.methods.every((method: Partial<Method> | null) => typeof method?.name === "string");
  if (!valid) throw new ProtocolError("Cannot read a method table: fields are missing");
  return table as MethodTable;
}
