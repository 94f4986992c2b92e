/**
 * Puts the pieces of long replies together again; pieces of several replies arrive in turn.
 *
 * Above: client.ts. Below: protocol.ts.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import { Fields } from "./frame.ts";
import { Kind, readReply, type Reply } from "./protocol.ts";

interface LongReply {
  readonly body: Uint8Array;
  filledBytes: number;
}

/** The long replies of one connection that have not arrived whole. */
export class LongReplies {
  readonly #maxBytes: number;
  readonly #replies = new Map<number, LongReply>();

  /** A reply announced as longer than `maxBytes` is a ProtocolError. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes one piece; gives the reply when it is whole. */
  add(fields: Fields): Reply | undefined {
    const id = fields.varint();
    const totalBytes = fields.varint();
    const piece = fields.rest();
    const reply = this.#replies.get(id) ?? this.#begin(id, totalBytes);
    if (reply.filledBytes + piece.length > reply.body.length) {
      throw new ProtocolError(`The pieces of reply ${id} are longer than announced`);
    }
    reply.body.set(piece, reply.filledBytes);
    reply.filledBytes += piece.length;
    if (reply.filledBytes < reply.body.length) return undefined;
    this.#replies.delete(id);
    return readWhole(reply.body);
  }

  /** Forgets all. */
  clear(): void {
    this.#replies.clear();
  }

  #begin(id: number, totalBytes: number): LongReply {
    if (totalBytes > this.#maxBytes) {
      throw new ProtocolError(
        `A reply of ${totalBytes} bytes exceeds the limit of ${this.#maxBytes}`,
      );
    }
    const reply = { body: new Uint8Array(totalBytes), filledBytes: 0 };
    this.#replies.set(id, reply);
    return reply;
  }
}

function readWhole(body: Uint8Array): Reply {
  const fields = new Fields(body);
  if (fields.byte() !== Kind.Reply) throw new ProtocolError("Only replies travel in pieces");
  return readReply(fields);
}
