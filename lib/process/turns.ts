/**
 * When a worker goes on with its next chunk: not before the answer to the one before is with the
 * system, and not before it has read what its parent says if it did not for long.
 *
 * Above: main.ts. Below: a transport.
 *
 * @module
 */

import { setImmediate, setTimeout } from "node:timers";
import { endOfTurn, runtimeName } from "../runtime.ts";
import type { Transport } from "../wire/transport.ts";

type Wait = (then: () => void) => void;

const nextTurn: Wait = (then) => void setImmediate(then);
const later: Wait = (then) => void setTimeout(then, 1);

/** At the second end of the turn in which it is made an answer has been written. */
const untilWritten: readonly Wait[] = [endOfTurn, endOfTurn];
/** Node and Bun know at the end of the same turn that the system has it, Deno some turns later. */
const untilAccepted: readonly Wait[] = [endOfTurn, endOfTurn, nextTurn, nextTurn, nextTurn];

/** What has come is read in the next turn, in Deno in one of the next. */
const untilRead: Wait = runtimeName === "deno" ? later : nextTurn;

/** Milliseconds for which a worker may go from chunk to chunk without a look at its event loop. */
const longTurn = 5;

/** The turns of the event loop in which one worker runs its chunks. */
export class Turns {
  readonly #transport: Transport;
  /** When the event loop was last seen to turn. */
  #began = 0;

  /** `transport` takes the answers. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Something came from the parent, so the event loop has turned. */
  began(): void {
    this.#began = performance.now();
  }

  /**
   * Goes on once the system has accepted what is answered in this turn: in the same turn, if that can
   * be, since most of a small task's time would be the event loop's.
   */
  whenSent(goOn: () => void): void {
    this.#wait(0, () => {
      if (performance.now() - this.#began < longTurn) return goOn();
      untilRead(() => {
        this.began();
        goOn();
      });
    });
  }

  #wait(step: number, then: () => void): void {
    const waited = step - untilWritten.length;
    if (waited >= 0 && this.#transport.bufferedBytes === 0) return then();
    const wait = untilWritten[step] ?? untilAccepted[waited] ?? later;
    wait(() => this.#wait(step + 1, then));
  }
}
