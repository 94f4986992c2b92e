/**
 * Packs the chunks of one worker, in order: what is given later is sent later, whatever the servers
 * of its proxies take for their tickets.
 *
 * Above: worker.ts. Below: parcel.ts.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { isPromise } from "../server/invocation.ts";
import type { Chunk } from "./job.ts";
import { type Parcels, type Prepared, problemOf, untilClaimed } from "./parcel.ts";

/** What packs for one worker. */
export class Packer {
  readonly #parcels: Parcels;
  /** Resolves when what was given so far is packed, or is not to be any more; undefined if it was sent. */
  #before: Promise<unknown> | undefined;

  constructor(parcels: Parcels) {
    this.#parcels = parcels;
  }

  /**
   * Packs the items of a chunk, at once if they refer to nothing and nothing is before them. Undefined
   * if `gone` resolved before they could be sent.
   *
   * @throws {SerializeError} An item cannot be sent: its place is that among all items of the job.
   */
  pack(chunk: Chunk, gone: Promise<undefined>): Prepared | Promise<Prepared | undefined> {
    const packing = this.#prepare(chunk);
    return isPromise(packing) || this.#before ? this.#inOrder(packing, gone) : packing;
  }

  async #inOrder(
    packing: Prepared | Promise<Prepared>,
    gone: Promise<undefined>,
  ): Promise<Prepared | undefined> {
    const before = this.#before;
    const ready = Promise.race([packing, gone]);
    const both = Promise.allSettled([before, ready]).then(() => {
      // Not before the chunk is sent, which is some microtasks later.
      setImmediate(() => {
        if (this.#before === both) this.#before = undefined;
      });
    });
    this.#before = both;
    const packed = await ready;
    if (packed) await before;
    else Promise.resolve(packing).then((late) => late.keep(), () => {});
    return packed;
  }

  #prepare(chunk: Chunk): Prepared | Promise<Prepared> {
    const fail = (error: unknown) => {
      throw problemOfItem(chunk) ?? error;
    };
    try {
      const packing = this.#parcels.prepare(chunk.items, "items", untilClaimed);
      return isPromise(packing) ? packing.catch(fail) : packing;
    } catch (error) {
      return fail(error);
    }
  }
}

/** The error of the first item that cannot be sent, with its place among all items. */
function problemOfItem({ job, items, start }: Chunk): Error | undefined {
  for (const [i, item] of items.entries()) {
    const problem = problemOf(item, job.pathOf(start + i));
    if (problem) return problem;
  }
}
