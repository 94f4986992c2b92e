/**
 * A grant: what the server knows of a lock or permit that it gave, and the claims by which the
 * grant's holder acts on it - one, of an rlock one for each time that it was entered.
 *
 * Above: acquirable.ts, condition.ts. Below: ledger.ts, handover.ts.
 *
 * @module
 */

import { NotExposedError, NotOwnerError } from "../errors.ts";
import { Holding, type HoldingMethod } from "./handover.ts";
import type { Ledger, LedgerGrant, LedgerSource, LedgerWait } from "./ledger.ts";
import type { Place } from "./line.ts";

/** What gives grants. */
export interface GrantSource extends LedgerSource {
  /** The holder gives one claim back; `unseen`: it never knew of it. */
  leave(claim: Claim, unseen?: boolean): void;
  /** The grant ends; `abandoned`: since its holder is gone. */
  end(grant: Grant, abandoned: boolean): void;
}

/** What a grant is made of. */
export interface GrantParts {
  readonly owner: string;
  readonly source: GrantSource;
  readonly shared: boolean;
  readonly ledger: Ledger;
}

/** One lock or permit that was given. */
export class Grant implements LedgerGrant {
  /** Its number; a new one each time that it becomes current. */
  fence = 0;
  /** The session that has it. */
  readonly owner: string;
  /** What gave it. */
  readonly source: GrantSource;
  /** Whether others may have the same lock at the same time. */
  readonly shared: boolean;
  /** Whether a holder before this one was gone without a release. */
  abandoned = false;
  /** Where it is entered while it is current. */
  readonly ledger: Ledger;
  readonly heldBy: Set<LedgerWait> = new Set();
  /** What its holder acts by; without any the grant is over. */
  readonly claims: Claim[] = [];
  /** Its place among the current grants of its source; undefined while it is not current. */
  place: Place<Grant> | undefined;
  /** Called when it ends while a condition has given it back for a time. */
  onEnd: (() => void) | undefined;

  constructor({ owner, source, shared, ledger }: GrantParts) {
    this.owner = owner;
    this.source = source;
    this.shared = shared;
    this.ledger = ledger;
  }

  /** One more claim on it; a scoped one ends with the callback of `withLock`, not by a bare release. */
  claim(scoped: boolean): Claim {
    const claim = new Claim(this, scoped);
    this.claims.push(claim);
    return claim;
  }
}

/** What the holder of a grant has of it; in the caller's process it is a guard. */
export class Claim extends Holding {
  readonly kind = "Grant";
  readonly grant: Grant;
  readonly scoped: boolean;

  constructor(grant: Grant, scoped: boolean) {
    super();
    this.grant = grant;
    this.scoped = scoped;
  }

  get content(): { fence: number; abandoned: boolean } {
    return { fence: this.grant.fence, abandoned: this.grant.abandoned };
  }

  get over(): boolean {
    return !this.grant.claims.includes(this);
  }

  call(method: HoldingMethod): void {
    if (method !== "release") throw new NotExposedError(`A grant has no method "${method}"`);
    this.release();
  }

  /** Ends the grant, of an rlock one level of it. */
  release(): void {
    if (this.over) throw takenAway(this.grant.fence);
    this.grant.source.leave(this);
  }

  giveBack(): void {
    if (!this.over) this.grant.source.leave(this, true);
  }

  abandon(): void {
    if (!this.over) this.grant.source.end(this.grant, true);
  }
}

/** What is said of a grant that somebody else has ended. */
export function takenAway(fence?: number): NotOwnerError {
  const which = fence === undefined ? "This grant" : `The grant with fence ${fence}`;
  return new NotOwnerError(
    `${which} is not its guard's any more: somebody ended it with a bare release(); look at what it guards, and acquire again`,
  );
}

/** The oldest grant that a bare release may end, of one session or of any. */
export function oldestOf(grants: Iterable<Grant>, owner?: string): Grant | undefined {
  for (const grant of grants) {
    const scoped = grant.claims.at(-1)?.scoped;
    if (!scoped && (owner === undefined || grant.owner === owner)) return grant;
  }
  return undefined;
}
