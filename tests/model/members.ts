/**
 * Clients that live in a random program: each has a session of its own, does one thing after the
 * other and may die at any moment, by `close()` or with its transport.
 *
 * Above: history.ts, trials.ts. Below: `lib/client`, `lib/manager`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setImmediate, setTimeout } from "node:timers";
import { Client } from "../../lib/client/client.ts";
import { ManagerFacade } from "../../lib/manager/facade.ts";
import { thread } from "../../lib/process/child.ts";
import type { BuiltinCreators } from "../../lib/remote.ts";
import { authkeyBytes } from "../../lib/wire/auth.ts";
import { connect, memoryPair, type Transport } from "../../lib/wire/transport.ts";
import { ConnectionClosedError, type Manager, TimeoutError, type WaitOptions } from "../../mod.ts";
import { clientOptions } from "../support/clients.ts";
import type { Random } from "./random.ts";

/** What was done in all programs. */
export interface Tally {
  programs: number;
  operations: number;
  aborts: number;
  timeouts: number;
  disconnects: number;
}

/** What all members of a program share. */
export interface Club {
  readonly random: Random;
  readonly tally: Tally;
  /** How many operations are left to do. */
  budget: number;
  /** Rises with each beginning and each end of a call: what is lower was before. */
  moment: number;
  /** The sessions that died. */
  readonly dead: Set<string>;
  /** Called when a member died. */
  died: () => void;
}

/** When a call began and ended. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A member died: what its last calls did is not known. */
export class Died extends Error {}

/** What a call gave that waited in vain. */
export const gaveUp: unique symbol = Symbol("gave up");

/**
 * A host has only short patience, so that something always goes on; a guest may wait for ever, and
 * one that is mortal dies.
 */
export type MemberKind = "host" | "guest" | "mortal";

/** The most operations that a mortal member does. */
const longestLife = 60;
const abortReason = new Error("aborted");

/** One client. */
export class Member {
  readonly session: string;
  readonly manager: BuiltinCreators & Pick<Manager, "named" | "debugInfo" | "unpublish">;
  readonly #kind: MemberKind;
  readonly #club: Club;
  readonly #client: Client;
  readonly #transport: Transport;
  #isDead = false;
  #hasLeft = false;
  /** After how many operations it dies. */
  #life: number;

  constructor(club: Club, client: Client, transport: Transport, kind: MemberKind) {
    this.#kind = kind;
    this.session = client.session;
    this.#club = club;
    this.#client = client;
    this.#transport = transport;
    this.#life = kind === "mortal" ? 1 + club.random.below(longestLife) : Infinity;
    const leave = () => client.close();
    const facade = new ManagerFacade({ client, leave, disposal: "close" });
    this.manager = facade as unknown as Manager;
  }

  /** Whether it dies some day. */
  get isMortal(): boolean {
    return this.#kind === "mortal" && !this.#hasLeft;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Calls; rejects with {@linkcode Died} if it is not known how that ended. */
  async do<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isDead) throw new Died();
    this.#club.tally.operations++;
    this.#club.budget--;
    if (--this.#life === 0) this.#soon(() => this.die());
    try {
      return await call();
    } catch (error) {
      throw this.#isDead && error instanceof ConnectionClosedError ? new Died() : error;
    }
  }

  /** Calls, and tells when that was. */
  async timed<T>(call: () => Promise<T>): Promise<Span & { value: T }> {
    const start = ++this.#club.moment;
    const value = await this.do(call);
    return { value, start, end: ++this.#club.moment };
  }

  /** Calls what may wait, and gives up after a random time or at a random moment, or not at all. */
  async patiently<T>(call: (options: WaitOptions) => Promise<T>): Promise<T | typeof gaveUp> {
    const { random, tally } = this.#club;
    const controller = new AbortController();
    const { signal } = controller;
    const timeout = random.below(4);
    const patience = random.pick(["timeout", "signal", "none"] as const);
    const kind = patience === "none" && this.#kind === "host" ? "timeout" : patience;
    const options = kind === "none" ? {} : kind === "signal" ? { signal } : { timeout };
    try {
      return await this.do(() => {
        if (kind === "signal") this.#soon(() => controller.abort(abortReason));
        return call(options);
      });
    } catch (error) {
      if (error === abortReason) tally.aborts++;
      else if (error instanceof TimeoutError && kind === "timeout") tally.timeouts++;
      else throw error;
      return gaveUp;
    }
  }

  /** Lets others have their turn. */
  async turns(): Promise<void> {
    for (let n = this.#club.random.below(3); n > 0; n--) await turn();
  }

  /** Its connection ends, whatever is on its way. */
  die(): void {
    if (this.#isDead || !this.isMortal) return;
    this.#isDead = true;
    this.#club.dead.add(this.session);
    this.#club.tally.disconnects++;
    if (this.#club.random.oneIn(2)) this.#transport.destroy();
    else void this.#client.close();
    this.#club.died();
  }

  /** Parts in peace; what it did is done. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    if (!this.#isDead) await this.#client.close();
  }

  /** At once, at the end of this turn, some turns later, or some milliseconds. */
  #soon(action: () => void): void {
    const { random } = this.#club;
    const when = random.pick(["now", "turn", "turns", "time"]);
    if (when === "now") void Promise.resolve().then(action);
    else if (when === "turn") setImmediate(action);
    else if (when === "turns") void this.turns().then(turn).then(action);
    else setTimeout(action, random.below(4));
  }
}

/** How to join a server. */
export interface Access {
  readonly address: string;
  /** As in an environment; not for a server in memory. */
  readonly authkey?: string;
}

/** A new member of the club. */
export async function join(club: Club, access: Access, kind: MemberKind): Promise<Member> {
  const { address } = access;
  const [transport, authkey] = await open(access);
  const client = await Client.connect(transport, clientOptions({ address, authkey }));
  return new Member(club, client, transport, kind);
}

async function open({ address, authkey }: Access): Promise<[Transport, Uint8Array]> {
  if (authkey !== undefined) {
    return [await connect(address, { timeout: 10_000 }), authkeyBytes(authkey)];
  }
  const found = thread.memoryServers.get(address);
  assert.ok(found);
  const [ours, theirs] = memoryPair();
  found.server.accept(theirs);
  return [ours, found.authkey];
}

/** Resolves in the next turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
