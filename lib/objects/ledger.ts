/**
 * The ledger: all grants of one server by their fences, and who waits for whom. It answers whether
 * a grant is current, and finds the circles in which callers wait for each other.
 *
 * Above: the server, and the referents that give grants. Below: nothing; what it knows of a grant is
 * the interface {@linkcode LedgerGrant}.
 *
 * @module
 */

import { DeadlockError, NotOwnerError } from "../errors.ts";

/** What gives grants. */
export interface LedgerSource {
  /** The object that users know it by: itself, or the condition whose lock it is. */
  readonly shownAs: object;
}

/** What the ledger knows of a grant. */
export interface LedgerGrant {
  /** Its number, which only rises from one grant to the next. */
  readonly fence: number;
  /** The session that has it. */
  readonly owner: string;
  /** What it is a grant of. */
  readonly source: LedgerSource;
  /** Calls that wait without end, made by a task that has the grant. */
  readonly heldBy: Set<LedgerWait>;
}

/** What the ledger knows of a call that waits for a grant. */
export interface LedgerWait {
  /** The session that waits. */
  readonly owner: string;
  /** What it waits for. */
  readonly source: LedgerSource;
  /** The current grants that have to end before; `certain`: without any doubt. */
  blockers(certain: boolean): Iterable<LedgerGrant>;
}

/** One session that waits for another, or for itself, in a circle. */
export interface Suspect {
  /** The session that waits. */
  readonly session: string;
  /** What it waits for, such as `<LockProxy object, typeid 'lock' at 0x1>`. */
  readonly waitsFor: string;
  /** The session that holds that. */
  readonly heldBy: string;
}

/** The grants of one server. */
export class Ledger {
  readonly #current = new Map<number, LedgerGrant>();
  readonly #waits = new Set<LedgerWait>();
  readonly #nameOf: (referent: object) => string;
  #lastFence: number;

  /**
   * Fences begin at `start`, the server's start in microseconds since 1970: a server that follows
   * another goes on above it. `nameOf` names what is granted in messages.
   */
  constructor(start: number, nameOf: (referent: object) => string) {
    this.#lastFence = start;
    this.#nameOf = nameOf;
  }

  /** The grants that are current now, by their fences. */
  get current(): ReadonlyMap<number, LedgerGrant> {
    return this.#current;
  }

  /** A fence that no grant had before. */
  nextFence(): number {
    return ++this.#lastFence;
  }

  /** A grant is current from now on. */
  enter(grant: LedgerGrant): void {
    this.#current.set(grant.fence, grant);
  }

  /** A grant is not current any more. */
  leave(grant: LedgerGrant): void {
    this.#current.delete(grant.fence);
  }

  /** Refuses unless the grant with this fence is current now. */
  assertCurrent(fence: unknown, action: string): void {
    if (typeof fence !== "number") {
      throw new TypeError(`Cannot ${action}: the option "guard" takes a guard, got "${fence}"`);
    }
    if (this.#current.has(fence)) return;
    throw new NotOwnerError(
      `Cannot ${action}: the grant with fence ${fence} is not current any more; acquire again`,
    );
  }

  /** Of these fences the grants that are current and the session's own. */
  heldBy(session: string, fences: readonly number[]): LedgerGrant[] {
    return fences.flatMap((fence) => {
      const grant = this.#current.get(fence);
      return grant?.owner === session ? [grant] : [];
    });
  }

  /** A call begins to wait; `holding` are the grants whose holder it is, if it waits without end. */
  await(wait: LedgerWait, holding: readonly LedgerGrant[]): () => void {
    this.#waits.add(wait);
    for (const grant of holding) grant.heldBy.add(wait);
    return () => {
      this.#waits.delete(wait);
      for (const grant of holding) grant.heldBy.delete(wait);
    };
  }

  /** The error of a wait that closed a circle, or undefined. */
  deadlockOf(wait: LedgerWait): DeadlockError | undefined {
    const circle = circleOf(wait);
    if (!circle) return undefined;
    const links = circle.map(([{ owner, source }, blocker]) =>
      `session "${owner}" waits for ${
        this.#nameOf(source.shownAs)
      }, which session "${blocker.owner}" holds`
    );
    const cure = circle.length === 1
      ? "this task has it already: release it first, or pass { holding: null } if it is a task of its own"
      : "acquire in one order everywhere, or with a timeout";
    return new DeadlockError(
      `Cannot acquire ${this.#nameOf(wait.source.shownAs)}, it would wait for ever: ${
        links.join("; ")
      }; ${cure}`,
    );
  }

  /**
   * Sessions that wait in a circle, judged only by who has which grant. It need not be a deadlock:
   * a session's other tasks may go on, and a wait may have a timeout.
   */
  suspects(): Suspect[] {
    const links = [...this.#waits].flatMap((wait) =>
      Array.from(wait.blockers(false), ({ owner }): Suspect => ({
        session: wait.owner,
        waitsFor: this.#nameOf(wait.source.shownAs),
        heldBy: owner,
      }))
    );
    const next = bySession(links);
    return links.filter(({ session, heldBy }) => reaches(heldBy, session, next));
  }
}

/** One step of a circle: who waits, and which grant is in its way. */
type Step = readonly [wait: LedgerWait, blocker: LedgerGrant];

/** The shortest way from a wait over what blocks it back to itself. */
function circleOf(start: LedgerWait): Step[] | undefined {
  const stepTo = new Map<LedgerWait, Step>();
  const reached = new Set([start]);
  for (const wait of reached) {
    for (const blocker of wait.blockers(true)) {
      if (blocker.heldBy.has(start)) return wayTo(wait, stepTo, [[wait, blocker]]);
      for (const next of blocker.heldBy) {
        if (!reached.has(next)) stepTo.set(next, [wait, blocker]);
        reached.add(next);
      }
    }
  }
  return undefined;
}

function wayTo(wait: LedgerWait, stepTo: ReadonlyMap<LedgerWait, Step>, rest: Step[]): Step[] {
  const way = [...rest];
  for (let step = stepTo.get(wait); step; step = stepTo.get(step[0])) way.unshift(step);
  return way;
}

function bySession(links: readonly Suspect[]): Map<string, Suspect[]> {
  const groups = new Map<string, Suspect[]>();
  for (const link of links) {
    const group = groups.get(link.session);
    if (group) group.push(link);
    else groups.set(link.session, [link]);
  }
  return groups;
}

function reaches(
  from: string,
  to: string,
  next: ReadonlyMap<string, readonly Suspect[]>,
): boolean {
  const seen = new Set([from]);
  for (const session of seen) {
    if (session === to) return true;
    for (const { heldBy } of next.get(session) ?? []) seen.add(heldBy);
  }
  return false;
}
