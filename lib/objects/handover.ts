/**
 * A result that is the caller's only once it has arrived: an item taken out of a queue, a grant, a
 * lease. Whoever carries it to the caller gives it back if it cannot be delivered, so that nothing
 * is lost on the way.
 *
 * Above: the server, and the referents that give such results. Below: nothing.
 *
 * @module
 */

/** The most bytes of several things together, such as the items of one `getMany`. */
export const maxBatchBytes: number = 8 * 1024 * 1024;

/** A result that takes effect when it arrives. */
export abstract class Handover {
  /** What travels. */
  abstract readonly content: unknown;

  /** It is on its way and cannot be given back any more by whoever carries it. */
  sent(): void {}

  /** It did not arrive, and nobody had it: as if it had not been given. */
  abstract giveBack(): void;

  /** Gives back the later half of what travels, where it is too much at once; false if it is one thing. */
  shrink(): boolean {
    return false;
  }
}

/** What a session may ask of a holding; each kind has its own. */
export type HoldingMethod = "release" | "ack" | "nack";

/**
 * A result that stays with its session: it acts by itself, also when its proxy is gone, and ends
 * with the session at the latest.
 */
export abstract class Holding extends Handover {
  /** What it is, as the wire names it. */
  abstract readonly kind: "Grant" | "Lease" | "Items";
  /** Set by whoever keeps it for the session: it is over, although the session did not say so. */
  onOver: (() => void) | undefined;

  /** What its session asks of it. */
  abstract call(method: HoldingMethod, args: readonly unknown[]): unknown;

  /** Its session ended. */
  abstract abandon(): void;

  /** Whether nothing is left that could be asked of it. */
  abstract readonly over: boolean;
}
