/**
 * The handles of one session: what it was given and acts by itself - iterators, grants, leases - and
 * what has to end with the session at the latest. The mirror image of client/handles.ts.
 *
 * Above: session.ts. Below: cursor.ts, the holdings of the referents.
 *
 * @module
 */

import { LeaseLostError, NotExposedError, UnknownObjectError } from "../errors.ts";
import { Claim, takenAway } from "../objects/grant.ts";
import { Holding } from "../objects/handover.ts";
import { HandleKind, handleMethods, pieceBytes } from "../wire/protocol.ts";
import { Cursor, type Portion } from "./cursor.ts";
import type { Entry } from "./registry.ts";

/** What a call gives that opened a handle: what comes along with it. */
export class OpenHandle {
  /** See {@linkcode HandleKind}. */
  readonly kind: number;
  /** Its number; 0 if it is over already. */
  readonly id: number;
  readonly content: unknown;

  constructor(kind: number, id: number, content: unknown) {
    this.kind = kind;
    this.id = id;
    this.content = content;
  }
}

/** A portion of an iterator is cut where it would exceed this, as long as one item is left. */
const maxPortionBytes = pieceBytes;

/** What comes with an iterator that is read only when somebody asks for an item. */
const notYet: Portion = { values: [], done: false };

/** The handles of one session. */
export class Handles {
  readonly #measure: (value: unknown) => number;
  readonly #handles = new Map<number, Cursor | Holding>();
  /** Whose they are. */
  readonly #pinned = new WeakMap<Holding, Entry>();
  #next = 1;

  /** `measure` tells how many bytes a value is. */
  constructor(measure: (value: unknown) => number) {
    this.#measure = measure;
  }

  /** How many iterators, and how many grants and leases. */
  count(): { iterators: number; holdings: number } {
    let iterators = 0;
    for (const handle of this.#handles.values()) if (handle instanceof Cursor) iterators++;
    return { iterators, holdings: this.#handles.size - iterators };
  }

  /** A cursor becomes a handle; one that reads ahead sends the first portion along. */
  openCursor(cursor: Cursor): OpenHandle | Promise<OpenHandle> {
    const id = this.#add(cursor);
    const open = (first: Portion) =>
      new OpenHandle(HandleKind.Iterator, first.done ? 0 : id, first);
    const first = cursor.readAhead > 1 ? this.#read(id, cursor) : notYet;
    return first instanceof Promise ? first.then(open) : open(first);
  }

  /** A grant or leases become a handle, until the session gives it back or it is over. */
  openHolding(holding: Holding, entry: Entry | undefined): OpenHandle {
    const kind = HandleKind[holding.kind];
    if (holding.over) return new OpenHandle(kind, 0, holding.content);
    const id = this.#add(holding);
    if (entry) this.#pinned.set(holding, entry);
    holding.onOver = () => this.#handles.delete(id);
    return new OpenHandle(kind, id, holding.content);
  }

  /** The object with the number, if the session has a grant or lease of it. */
  pinned(id: number): Entry | undefined {
    for (const handle of this.#handles.values()) {
      const entry = handle instanceof Holding ? this.#pinned.get(handle) : undefined;
      if (entry?.id === id) return entry;
    }
    return undefined;
  }

  /** Carries out what the session asks of a handle. */
  call(id: number, method: number, args: readonly unknown[]): unknown {
    const name = handleMethods[method];
    const handle = this.#handles.get(id);
    if (name === "return") return this.#return(id, handle);
    if (handle instanceof Cursor && name === "next") return this.#read(id, handle);
    if (handle instanceof Holding && name !== undefined && name !== "next") {
      return handle.call(name, args);
    }
    if (handle) throw new NotExposedError(`Handle ${id} has no method ${method}`);
    throw lost(id, name);
  }

  /** Releases a grant whose holder wants no answer; what somebody else has ended is gone. */
  finish(id: number): void {
    const handle = this.#handles.get(id);
    if (handle instanceof Claim) handle.release();
  }

  /** A handle that was not sent is none; what it was for stays as it is. */
  forget(id: number): void {
    this.#handles.delete(id);
  }

  /** Ends a handle that nobody uses any more. */
  free(id: number): void {
    const handle = this.#handles.get(id);
    this.#handles.delete(id);
    if (handle instanceof Cursor) ignoreFailure(() => handle.return());
    else handle?.giveBack();
  }

  /** The session is over. */
  endAll(): void {
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    for (const handle of handles) {
      if (handle instanceof Cursor) ignoreFailure(() => handle.return());
      else handle.abandon();
    }
  }

  #add(handle: Cursor | Holding): number {
    const id = this.#next++;
    this.#handles.set(id, handle);
    return id;
  }

  #return(id: number, handle: Cursor | Holding | undefined): unknown {
    this.#handles.delete(id);
    return handle instanceof Cursor ? handle.return() : handle?.giveBack();
  }

  /** The next portion; an iterator that fails or is done is freed. */
  #read(id: number, cursor: Cursor): Portion | Promise<Portion> {
    const fail = (error: unknown): never => {
      this.free(id);
      throw error;
    };
    const send = (portion: Portion) => {
      const sent = this.#cut(cursor, portion);
      if (sent.done) this.#handles.delete(id);
      return sent;
    };
    try {
      const portion = cursor.next();
      return portion instanceof Promise ? portion.then(send).catch(fail) : send(portion);
    } catch (error) {
      return fail(error);
    }
  }

  /** Leaves in the cursor what would make a reply too long. */
  #cut(cursor: Cursor, { values, done }: Portion): Portion {
    while (values.length > 1 && this.#measure(values) > maxPortionBytes) {
      cursor.unread(values.splice(values.length >> 1));
      done = false;
    }
    return { values, done };
  }
}

/** What is said of a handle that is not there: it never was, or somebody else has ended it. */
function lost(id: number, method: string | undefined): Error {
  if (method === "release") return takenAway();
  if (method === "ack" || method === "nack") {
    return new LeaseLostError(
      `Cannot ${method} the item: its lease is over, somebody else finished the item; do nothing more with it`,
    );
  }
  return new UnknownObjectError(
    `This session has no iterator ${id}: it is done or was returned`,
  );
}

/** Ends what belongs to a session that is over: nobody is left to be told of a failure. */
function ignoreFailure(action: () => unknown): void {
  Promise.resolve().then(action).catch(() => {});
}
