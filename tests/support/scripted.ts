/**
 * Callers that no client is: a scripted session that has one object which all sessions of the server
 * share, for tests of what a session hears, or of what it may ask that no client of ours does; and a
 * caller of referents without a server.
 *
 * Above: tests. Below: peer.ts, lib.
 *
 * @module
 */
import type { Ledger } from "../../lib/objects/ledger.ts";
import type { WaitingCaller } from "../../lib/objects/waiting.ts";
import type { ObjectServer } from "../../lib/server/server.ts";
import { handleMethods, Target, universalMethods, writeCancel } from "../../lib/wire/protocol.ts";
import { type Answer, type CallPart, Peer } from "./peer.ts";

/** The key of `newServer()`. */
const authkey = new Uint8Array(32).fill(7);

/** See above. */
export class Scripted {
  readonly peer: Peer;
  /** The number of the object. */
  readonly object: number;
  readonly #typeid: string;
  #nextCall = 10;

  constructor(peer: Peer, object: number, typeid: string) {
    this.peer = peer;
    this.object = object;
    this.#typeid = typeid;
  }

  /** A new session, with the server's only object of the typeid; the first one makes it. */
  static async open(server: ObjectServer, typeid: string, ...args: unknown[]): Promise<Scripted> {
    const peer = await Peer.open(server, authkey);
    const { value } = await peer.server(1, "named", typeid, typeid, args);
    return new Scripted(peer, (value as { object: number }).object, typeid);
  }

  /** Its id in the server. */
  get session(): string {
    return this.peer.welcome.session;
  }

  /** Sends a call of the object; gives its id. */
  send(name: string, ...args: unknown[]): number {
    return this.#send(this.peer.on(this.object, this.#typeid, name, ...args));
  }

  /** Calls the object. */
  ask(name: string, ...args: unknown[]): Promise<Answer> {
    return this.peer.answer(this.send(name, ...args));
  }

  /** Says that nobody waits for the call any more. */
  cancel(id: number): void {
    this.peer.send((frame) => writeCancel(frame, id));
  }

  /** Calls what came with an answer: a grant, or leases. */
  askHandle(
    { handleId }: Answer,
    name: typeof handleMethods[number],
    ...args: unknown[]
  ): Promise<Answer> {
    const method = handleMethods.indexOf(name);
    return this.peer.answer(
      this.#send({ target: Target.Handle, targetId: handleId, method, args }),
    );
  }

  /** Says that a wait gave this when nobody waited any more. */
  takeBack(name: string, result: unknown): Promise<Answer> {
    const method = universalMethods.indexOf("takeBack");
    const args = [name, result];
    return this.peer.answer(
      this.#send({ target: Target.Object, targetId: this.object, method, args }),
    );
  }

  #send(call: CallPart): number {
    const id = this.#nextCall++;
    this.peer.sendCall({ ...call, id });
    return id;
  }
}

/** The name of the class of an answer's error; undefined if it is none. */
export function errorOf({ value }: Answer): string | undefined {
  return (value as { class?: string } | null | undefined)?.class;
}

/** A caller of referents without a server; no time goes by for it. */
export function bareCaller(ledger: Ledger): WaitingCaller {
  const clock = { now: () => 0, after: () => () => {} };
  const { signal } = new AbortController();
  return { id: "session", signal, gone: () => false, bytes: 0, clock, ledger, settling() {} };
}
