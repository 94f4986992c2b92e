/**
 * What the clients of a random program do with one object and how it is judged afterwards.
 *
 * Above: trials.ts and the trials. Below: members.ts.
 *
 * @module
 */
import type { Club, Member } from "./members.ts";

/** Something that a client does: some calls, after which it has nothing any more. */
export type Job = () => Promise<void>;

/** One object, or some that belong together. */
export abstract class Trial {
  /** The names of its objects in the server. */
  abstract readonly names: readonly string[];
  /** Jobs of the host, from the beginning on; they end when the trial is let go. */
  readonly steady: readonly Job[] = [];
  protected readonly club: Club;
  /** A client that never dies. */
  protected readonly host: Member;

  constructor(club: Club, host: Member) {
    this.club = club;
    this.host = host;
  }

  /** Makes the objects. */
  abstract open(): Promise<void>;

  /** The jobs of a client; what is done more often stands there more often. */
  abstract join(member: Member): Promise<readonly Job[]>;

  /** Judges what happened, when all have ended. */
  abstract check(): Promise<void>;

  /** A client died. */
  mourn(): Promise<void> {
    return Promise.resolve();
  }

  /** Lets go on who still waits. Called again and again, when nobody begins anything new. */
  release(): Promise<void> {
    return Promise.resolve();
  }
}

/** A name that no other object has. */
export function newName(kind: string): string {
  return `${kind}-${crypto.randomUUID()}`;
}
