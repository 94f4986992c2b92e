/**
 * The models of what gives grants: lock, rlock, rwLock, the semaphores; and of conditions.
 *
 * Above: players.ts. Below: book.ts.
 *
 * @module
 */
import { type Book, gone, type Model, type ModelCall, type ModelHolding } from "./book.ts";

/** What gives grants. */
export type LockKind = "lock" | "rlock" | "rwLock" | "semaphore" | "boundedSemaphore";

/** What a caller asks for; the fences are of grants that the asking task has. */
export interface Wish {
  readonly shared: boolean;
  readonly scoped: boolean;
  readonly endless: boolean;
  readonly holding: readonly number[];
  readonly reenter: number | undefined;
}

/** Who stands in line: a caller, or a sleeper of a condition that wants its lock back. */
interface Asker {
  readonly call: ModelCall;
  readonly shared: boolean;
  readonly endless: boolean;
  /** The grants of the asking task, if it waits without end. */
  readonly holding: readonly ModelGrant[];
  readonly granted: () => void;
}

/** A lock or permit that was given. */
export class ModelGrant {
  fence = 0;
  abandoned = false;
  over = false;
  readonly lock: LockModel;
  readonly session: string;
  readonly shared: boolean;
  readonly claims: ModelClaim[] = [];
  /** It is given back to a condition for a time; called if it ends meanwhile. */
  ended: (() => void) | undefined;

  constructor(lock: LockModel, session: string, shared: boolean) {
    this.lock = lock;
    this.session = session;
    this.shared = shared;
  }
}

/** What a guard stands for: a grant, of an rlock one level of it. */
export class ModelClaim implements ModelHolding {
  readonly size: number = 1;
  readonly grant: ModelGrant;
  readonly scoped: boolean;

  constructor(grant: ModelGrant, scoped: boolean) {
    this.grant = grant;
    this.scoped = scoped;
    grant.claims.push(this);
  }

  get content(): unknown {
    return { fence: this.grant.fence, abandoned: this.grant.abandoned };
  }

  get over(): boolean {
    return !this.grant.claims.includes(this);
  }

  act(call: ModelCall): void {
    const { book } = this.grant.lock;
    if (this.over) return book.reject(call, "NotOwnerError");
    book.resolve(call);
    this.grant.lock.leave(this);
  }

  giveBack(): void {
    if (!this.over) this.grant.lock.giveBack(this);
  }

  shrink(): boolean {
    return false;
  }

  abandon(): void {
    if (!this.over) this.grant.lock.end(this.grant, true);
  }
}

/** A lock, or a number of permits. */
export class LockModel implements Model {
  readonly book: Book;
  readonly kind: LockKind;
  /** All locks of the program, for the circles of callers that wait for each other. */
  readonly #all: readonly LockModel[];
  readonly #reclaim: boolean;
  #permits: number;
  #holders: ModelGrant[] = [];
  #line: Asker[] = [];
  /** So many of the next grants follow one whose holder is gone. */
  #abandoned = 0;

  constructor(book: Book, kind: LockKind, all: readonly LockModel[], permits = 1, reclaim = true) {
    this.book = book;
    this.kind = kind;
    this.#all = all;
    this.#permits = permits;
    this.#reclaim = reclaim;
  }

  get state(): unknown {
    return {
      grants: this.#holders.map(({ fence, session, shared, claims }) => {
        return { fence, session, shared, levels: claims.length };
      }),
      locked: !this.#fits(false),
      permits: this.#counts ? this.#permits : undefined,
    };
  }

  get idle(): boolean {
    return this.#holders.length + this.#line.length === 0;
  }

  /** The fences of the grants that are current. */
  get fences(): number[] {
    return this.#holders.map(({ fence }) => fence);
  }

  /** Which session waits for which. */
  get links(): [waits: string, holds: string][] {
    return this.#line.flatMap((asker) =>
      this.#blockersOf(asker, false).map(({ session }): [string, string] => {
        return [asker.call.session, session];
      })
    );
  }

  acquire(call: ModelCall, wish: Wish): void {
    if (this.#tryNow(call, wish)) return;
    if (call.timeout === 0) return this.book.reject(call, "TimeoutError");
    const asker: Asker = {
      call,
      shared: wish.shared,
      endless: wish.endless,
      holding: wish.endless ? this.#grantsOf(call.session, wish.holding) : [],
      granted: () => this.#grant(call, wish),
    };
    this.#line.push(asker);
    if (this.#isInCircle(asker)) {
      this.#line.pop();
      return this.book.reject(call, "DeadlockError");
    }
    this.book.park(call, "TimeoutError", (outcome) => {
      this.#line = this.#line.filter((other) => other !== asker);
      this.book.reject(call, outcome);
      this.pump();
    });
  }

  tryAcquire(call: ModelCall, wish: Wish): void {
    if (!this.#tryNow(call, wish)) this.book.resolve(call, null);
  }

  release(call: ModelCall, fence: number | undefined): void {
    const grant = fence === undefined
      ? this.#releasable(call.session)
      : this.#holders.find((holder) => holder.fence === fence);
    if (!grant && fence === undefined && this.#counts) return this.#addPermit(call);
    if (!grant || !this.#mayRelease(grant, call.session)) {
      return this.book.reject(call, "NotOwnerError");
    }
    this.book.resolve(call);
    this.leave(grant.claims.at(-1)!);
  }

  leave(claim: ModelClaim): void {
    const { grant } = claim;
    grant.claims.splice(grant.claims.indexOf(claim), 1);
    if (grant.claims.length === 0) this.end(grant, false);
  }

  /** Nobody had the claim, nor learnt that a holder before is gone: the next one does. */
  giveBack(claim: ModelClaim): void {
    if (claim.grant.claims.length === 1 && claim.grant.abandoned) this.#abandoned++;
    this.leave(claim);
  }

  end(grant: ModelGrant, abandoned: boolean): void {
    if (grant.over) return;
    grant.over = true;
    grant.claims.length = 0;
    if (this.#holders.includes(grant)) this.#drop(grant, abandoned);
    grant.ended?.();
    this.pump();
  }

  /** The session's own grant with this fence. */
  current(fence: number, session: string): ModelGrant | undefined {
    return this.#holders.find((grant) => grant.fence === fence && grant.session === session);
  }

  /** A condition gives the grant back for a time. */
  suspend(grant: ModelGrant, ended: () => void): void {
    grant.ended = ended;
    this.#drop(grant, false);
    this.pump();
  }

  /** The grant waits in line to be current again. */
  resume(call: ModelCall, grant: ModelGrant, granted: () => void): void {
    const { ended } = grant;
    const asker: Asker = {
      call,
      shared: false,
      endless: true,
      holding: [],
      granted: () => {
        grant.ended = undefined;
        this.#hold(grant);
        granted();
      },
    };
    grant.ended = () => {
      this.#line = this.#line.filter((other) => other !== asker);
      ended?.();
    };
    this.#line.push(asker);
    this.pump();
  }

  pump(): void {
    while (this.#line.length > 0 && this.#fits(this.#line[0]!.shared)) {
      this.#line.shift()!.granted();
    }
  }

  get #counts(): boolean {
    return this.kind === "semaphore" || this.kind === "boundedSemaphore";
  }

  #fits(shared: boolean): boolean {
    if (this.#counts) return this.#permits > 0;
    return this.#holders.every((holder) => shared && holder.shared);
  }

  #tryNow(call: ModelCall, wish: Wish): boolean {
    const { reenter, holding, scoped } = wish;
    const holder = this.#holders[0];
    if (this.kind === "rlock" && holder?.session === call.session) {
      if (reenter === holder.fence || holding.includes(holder.fence)) {
        this.book.give(call, new ModelClaim(holder, scoped));
        return true;
      }
    }
    if (reenter !== undefined) {
      this.book.reject(call, "NotOwnerError");
      return true;
    }
    if (this.#line.length > 0 || !this.#fits(wish.shared)) return false;
    this.#grant(call, wish);
    return true;
  }

  #grant(call: ModelCall, { shared, scoped }: Wish): void {
    const grant = new ModelGrant(this, call.session, shared);
    this.#hold(grant);
    this.book.give(call, new ModelClaim(grant, scoped));
  }

  #hold(grant: ModelGrant): void {
    grant.fence = ++this.book.lastFence;
    grant.abandoned = this.#abandoned > 0;
    if (grant.abandoned) this.#abandoned--;
    this.#holders.push(grant);
    if (this.#counts) this.#permits--;
  }

  #drop(grant: ModelGrant, abandoned: boolean): void {
    this.#holders = this.#holders.filter((other) => other !== grant);
    if (abandoned && !this.#reclaim) return;
    if (this.#counts) this.#permits++;
    if (abandoned) this.#abandoned++;
  }

  #addPermit(call: ModelCall): void {
    if (this.kind === "boundedSemaphore") return this.book.reject(call, "RangeError");
    this.#permits++;
    this.book.resolve(call);
    this.pump();
  }

  /** What a bare release ends: the caller's own oldest, else the oldest. */
  #releasable(session: string): ModelGrant | undefined {
    if (this.kind === "lock" || this.kind === "rlock") return this.#holders[0];
    const free = this.#holders.filter((holder) => !isScoped(holder));
    return free.find((holder) => holder.session === session) ?? free[0] ??
      (this.#counts ? undefined : this.#holders[0]);
  }

  #mayRelease(grant: ModelGrant, session: string): boolean {
    return !isScoped(grant) && (this.kind !== "rlock" || grant.session === session);
  }

  #grantsOf(session: string, fences: readonly number[]): ModelGrant[] {
    return this.#all.flatMap((lock) => lock.#holders).filter((grant) => {
      return grant.session === session && fences.includes(grant.fence);
    });
  }

  /** Whether the task that asks waits, over others, for itself. */
  #isInCircle(start: Asker): boolean {
    const reached: Asker[] = [start];
    for (const asker of reached) {
      for (const grant of this.#lockOf(asker).#blockersOf(asker)) {
        for (const next of this.#all.flatMap((lock) => lock.#line)) {
          if (!next.holding.includes(grant)) continue;
          if (next === start) return true;
          if (!reached.includes(next)) reached.push(next);
        }
      }
    }
    return false;
  }

  #lockOf(asker: Asker): LockModel {
    return this.#all.find((lock) => lock.#line.includes(asker))!;
  }

  /** The grants that the asker waits for; one that shares waits for others that do only behind a writer without end. */
  #blockersOf(asker: Asker, isCertain = true): readonly ModelGrant[] {
    const before = this.#line.slice(0, this.#line.indexOf(asker));
    const isBehind = before.some(({ shared, endless }) => !shared && (endless || !isCertain));
    const together = asker.shared && this.#holders.every(({ shared }) => shared);
    return together && !isBehind ? [] : this.#holders;
  }
}

/** Of sessions that wait for each other those in a circle. */
export function inCircle(links: readonly [waits: string, holds: string][]): typeof links {
  return links.filter(([waits, holds]) => {
    const reached = [holds];
    for (const session of reached) {
      for (const [from, to] of links) {
        if (from === session && !reached.includes(to)) reached.push(to);
      }
    }
    return reached.includes(waits);
  });
}

function isScoped(grant: ModelGrant): boolean {
  return grant.claims.at(-1)!.scoped;
}

interface Sleeper {
  readonly call: ModelCall;
  readonly grant: ModelGrant;
  outcome: "notified" | "late" | "aborted" | undefined;
}

/** A condition. */
export class ConditionModel implements Model {
  readonly #book: Book;
  readonly #lock: LockModel;
  #sleepers: Sleeper[] = [];

  constructor(lock: LockModel) {
    this.#book = lock.book;
    this.#lock = lock;
  }

  get state(): unknown {
    return { sleeping: this.#sleepers.length };
  }

  get idle(): boolean {
    return this.#sleepers.length === 0;
  }

  pump(): void {}

  wait(call: ModelCall, fence: number): void {
    const grant = this.#lock.current(fence, call.session);
    if (!grant) return this.#book.reject(call, "NotOwnerError");
    const sleeper: Sleeper = { call, grant, outcome: undefined };
    this.#sleepers.push(sleeper);
    this.#book.park(call, "late", (outcome) => this.#giveUp(sleeper, outcome));
    this.#lock.suspend(grant, () => this.#ended(sleeper));
  }

  notify(call: ModelCall, fence: number, n: number): void {
    if (!this.#lock.current(fence, call.session)) return this.#book.reject(call, "NotOwnerError");
    this.#book.resolve(call);
    for (let i = 0; i < n; i++) this.#wakeFirst();
  }

  #wakeFirst(): void {
    const sleeper = this.#sleepers.shift();
    if (sleeper) this.#takeLock(sleeper, "notified");
  }

  #giveUp(sleeper: Sleeper, outcome: string): void {
    this.#leave(sleeper);
    if (outcome === gone) return this.#lock.end(sleeper.grant, false);
    this.#takeLock(sleeper, outcome === "! late" ? "late" : "aborted");
  }

  /** Whatever woke it, it has the lock again before it knows. */
  #takeLock(sleeper: Sleeper, outcome: NonNullable<Sleeper["outcome"]>): void {
    const { call, grant } = sleeper;
    this.#book.unpark(call.number);
    sleeper.outcome = outcome;
    this.#lock.resume(call, grant, () => {
      const { fence, abandoned } = grant;
      this.#book.resolve(call, { outcome, fence, abandoned });
    });
  }

  /** Its grant ended; a notify that it had and cannot use goes to another. */
  #ended(sleeper: Sleeper): void {
    this.#leave(sleeper);
    this.#book.reject(sleeper.call, "NotOwnerError");
    if (sleeper.outcome === "notified") this.#wakeFirst();
  }

  #leave(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
  }
}
