/**
 * What locks, semaphores and their kin have in common: they give grants, first come, first served;
 * a grant ends by its guard, by a bare release, or with its holder's session, and the next one in
 * line has it at once.
 *
 * Above: lock.ts, rlock.ts, rw_lock.ts, semaphore.ts, condition.ts. Below: grant.ts, line.ts,
 * waiting.ts, ledger.ts.
 *
 * @module
 */

import { NotOwnerError, TimeoutError } from "../errors.ts";
import { optionsOf } from "./arguments.ts";
import { type Claim, Grant, type GrantSource } from "./grant.ts";
import type { Ledger, LedgerGrant, LedgerWait } from "./ledger.ts";
import { Line, type Place } from "./line.ts";
import { quoted } from "./represent.ts";
import { lateText, Wait, type WaitingCaller, waitOptions } from "./waiting.ts";

/** What a caller asks for. */
export interface Request {
  /** Others may have the lock, too. */
  readonly shared: boolean;
  /** The grant ends with the callback of `withLock`. */
  readonly scoped: boolean;
  /** Fences of the grants that the asking task has. */
  readonly holding: readonly number[];
  /** The caller waits without timeout and signal. */
  readonly endless: boolean;
  /** The fence of the grant that is entered again, and nothing else. */
  readonly reenter: number | undefined;
}

/** One who waits: a caller, or a grant that a condition gave back for a time. */
interface Acquisition extends LedgerWait {
  readonly shared: boolean;
  readonly endless: boolean;
  /** It is served. */
  granted(): void;
}

/** Gives grants. */
export abstract class Acquirable implements GrantSource {
  readonly #holders = new Line<Grant>();
  readonly #waiting = new Line<Acquisition>();
  /** How many of the next grants follow one whose holder is gone. */
  #abandoned = 0;

  /** The object that users know it by: itself, or the condition whose lock it is. */
  shownAs: object = this;

  /** How it is called in messages. */
  protected abstract readonly name: string;

  /** The current grants, oldest first. */
  protected get holders(): Line<Grant> {
    return this.#holders;
  }

  /** Whether another grant is possible beside the current ones. */
  protected abstract admits(shared: boolean): boolean;

  /** The grant that a bare release ends; undefined if there is none that it may. */
  protected abstract releasable(caller: WaitingCaller): Grant | undefined;

  /** The asking task has a grant already and may go on with it. */
  protected reenter(_request: Request, _caller: WaitingCaller): Grant | undefined {
    return undefined;
  }

  /** A holder is gone without a release; whether somebody else can have its grant instead. */
  protected reclaim(): boolean {
    return true;
  }

  /** A bare release found no grant that it may end. */
  protected releaseNone(): void {
    throw new NotOwnerError(
      `Cannot release ${this.name}: it is not locked; release guards, not the lock`,
    );
  }

  /** Which mode the options ask for; only some have modes. */
  protected modeOf(mode: unknown): boolean {
    if (mode === undefined) return false;
    throw new TypeError(`${this.name} has no modes: leave the option "mode" out`);
  }

  /** Waits in line for a grant. */
  acquire(options: unknown, caller: WaitingCaller): Claim | Promise<Claim> {
    const request = this.#request(options);
    const now = this.#tryNow(request, caller);
    if (now) return now;
    if (caller.signal.aborted) throw caller.signal.reason;
    if (caller.timeout === 0) throw this.#late(caller);
    return this.#join(request, caller);
  }

  /** A grant if one is possible at once, else null. */
  tryAcquire(options: unknown, caller: WaitingCaller): Claim | null {
    return this.#tryNow(this.#request(options), caller) ?? null;
  }

  /** Ends a grant without its guard. */
  release(options: unknown, caller: WaitingCaller): void {
    const { fence } = optionsOf(options, ["fence"], `To release ${this.name}`);
    const grant = fence === undefined ? this.releasable(caller) : this.#holder(fence, caller);
    if (!grant && fence === undefined) return this.releaseNone();
    if (!grant) {
      throw new NotOwnerError(
        `Cannot release ${this.name}: the grant with fence ${
          quoted(fence)
        } is not current any more`,
      );
    }
    const claim = grant.claims.at(-1)!;
    if (claim.scoped) {
      throw new NotOwnerError(
        `Cannot release ${this.name}: session "${grant.owner}" has it with withLock(), which releases it at its end`,
      );
    }
    this.leave(claim);
  }

  /** Whether a caller would have to wait. */
  locked(): boolean {
    return !this.admits(false);
  }

  leave(claim: Claim, unseen = false): void {
    const { grant } = claim;
    grant.claims.splice(grant.claims.indexOf(claim), 1);
    claim.onOver?.();
    if (grant.claims.length > 0) return;
    if (unseen && grant.abandoned) this.#abandoned++; // the next one is told instead
    this.end(grant, false);
  }

  end(grant: Grant, abandoned: boolean): void {
    const claims = grant.claims.splice(0);
    if (grant.place) this.#drop(grant, abandoned);
    grant.onEnd?.();
    for (const claim of claims) claim.onOver?.();
    this.pump();
  }

  /** A condition gives the grant back for a time; `onEnd` is called if it ends meanwhile. */
  suspend(grant: Grant, onEnd: () => void): void {
    grant.onEnd = onEnd;
    this.#drop(grant, false);
    this.pump();
  }

  /** The grant waits in line to be current again. */
  resume(grant: Grant, granted: () => void): void {
    const leave = this.#stand({
      owner: grant.owner,
      source: this,
      shared: grant.shared,
      endless: true,
      blockers: () => this.#holders,
      granted: () => {
        leave();
        grant.onEnd = undefined;
        this.#hold(grant);
        granted();
      },
    }, grant.ledger);
    const { onEnd } = grant;
    grant.onEnd = () => {
      leave();
      onEnd?.();
    };
    this.pump();
  }

  /** What `debugInfo()` tells of it. */
  describe(): { fence: number; session: string; shared: boolean; levels: number }[] {
    return Array.from(this.#holders, ({ fence, owner, shared, claims }) => ({
      fence,
      session: owner,
      shared,
      levels: claims.length,
    }));
  }

  /** Serves those in line for whom a grant is possible now. */
  protected pump(): void {
    for (;;) {
      const next = this.#waiting.first;
      if (!next || !this.admits(next.shared)) return;
      next.granted();
    }
  }

  #request(options: unknown): Request {
    const { holding = [], endless = false, scoped = false, mode, reenter } = optionsOf(
      options,
      ["holding", "endless", "scoped", "mode", "reenter"],
      `To acquire ${this.name}`,
      [...waitOptions, "holding", "mode"],
    );
    if (!Array.isArray(holding) || !holding.every(Number.isSafeInteger)) {
      throw new TypeError(
        `To acquire ${this.name} needs a guard as "holding", got ${quoted(holding)}`,
      );
    }
    return {
      shared: this.modeOf(mode),
      scoped: scoped === true,
      holding: holding as number[],
      endless: endless === true,
      reenter: reenter as number | undefined,
    };
  }

  #tryNow(request: Request, caller: WaitingCaller): Claim | undefined {
    const entered = this.reenter(request, caller);
    if (entered) return entered.claim(request.scoped);
    if (request.reenter !== undefined) {
      throw new NotOwnerError(
        `Cannot enter ${this.name} again: the grant with fence ${request.reenter} is not current any more, or this lock is not reentrant: acquire it anew`,
      );
    }
    if (this.#waiting.size > 0 || !this.admits(request.shared)) return undefined;
    return this.#grant(request, caller);
  }

  #grant({ shared, scoped }: Request, { id, ledger }: WaitingCaller): Claim {
    const grant = new Grant({ owner: id, source: this, shared, ledger });
    this.#hold(grant);
    return grant.claim(scoped);
  }

  #hold(grant: Grant): void {
    grant.abandoned = this.#abandoned > 0;
    if (grant.abandoned) this.#abandoned--;
    grant.fence = grant.ledger.nextFence();
    grant.place = this.#holders.add(grant);
    grant.ledger.enter(grant);
  }

  #drop(grant: Grant, abandoned: boolean): void {
    this.#holders.remove(grant.place!);
    grant.place = undefined;
    grant.ledger.leave(grant);
    if (abandoned && this.reclaim()) this.#abandoned++;
  }

  #join(request: Request, caller: WaitingCaller): Promise<Claim> {
    const { ledger } = caller;
    const acquisition: Acquisition = {
      owner: caller.id,
      source: this,
      shared: request.shared,
      endless: request.endless,
      blockers: (certain) => this.#blockersOf(acquisition, certain),
      granted: () => {
        leave();
        wait.resolve(this.#grant(request, caller));
      },
    };
    const holding = request.endless ? ledger.heldBy(caller.id, request.holding) : [];
    const leave = this.#stand(acquisition, ledger, holding);
    const deadlock = holding.length > 0 ? ledger.deadlockOf(acquisition) : undefined;
    if (deadlock) {
      leave();
      throw deadlock;
    }
    const wait = new Wait<Claim>(caller, () => this.#late(caller), (reason) => {
      leave();
      wait.reject(reason);
      this.pump(); // a writer that gives up makes way for the readers behind it
    });
    return wait.promise;
  }

  /** Stands in line; what is returned takes it out of it. */
  #stand(
    acquisition: Acquisition,
    ledger: Ledger,
    holding: readonly LedgerGrant[] = [],
  ): () => void {
    const place: Place<Acquisition> = this.#waiting.add(acquisition);
    const forget = ledger.await(acquisition, holding);
    return () => {
      this.#waiting.remove(place);
      forget();
    };
  }

  /**
   * The grants that have to end before. What is shared waits for other shared ones only behind
   * somebody who waits for all of them; for certain only if that one waits without end.
   */
  #blockersOf(acquisition: Acquisition, certain: boolean): Iterable<Grant> {
    const holder = this.#holders.first;
    if (!acquisition.shared || (holder && !holder.shared)) return this.#holders;
    for (const other of this.#waiting) {
      if (other === acquisition) return [];
      if (!other.shared && (other.endless || !certain)) return this.#holders;
    }
    return [];
  }

  #holder(fence: unknown, { ledger }: WaitingCaller): Grant | undefined {
    const grant = ledger.current.get(fence as number);
    return grant?.source === this ? grant as Grant : undefined;
  }

  #late(caller: WaitingCaller): TimeoutError {
    return new TimeoutError(lateText(caller, `To acquire ${this.name}`));
  }
}
