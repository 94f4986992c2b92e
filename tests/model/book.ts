/**
 * What the models of all objects of one program share: who waits and until when, which grants there
 * are, and how calls ended. A model is written to be obviously right: arrays, searched from the
 * front; nothing of `lib/` is used.
 *
 * Above: the models. Below: nothing.
 *
 * @module
 */

/** A call as a model sees it. */
export interface ModelCall {
  readonly number: number;
  readonly session: string;
  readonly timeout: number | undefined;
}

/** What a call gave and what can come back: items, a grant, leases. */
export interface ModelHandover {
  /** What travels. */
  readonly content: unknown;
  /** It is on its way, and cannot come back as it is. */
  sent?(): void;
  /** It never arrived. */
  giveBack(): void;
  /** The later half never arrived; false if it is one thing. */
  shrink(): boolean;
}

/** What a session keeps until it is over. */
export interface ModelHolding extends ModelHandover {
  readonly over: boolean;
  /** How many things it is of. */
  readonly size: number;
  /** Its session acts on it. */
  act(call: ModelCall, method: string, index: number, delay: number): void;
  /** Its session ended. */
  abandon(): void;
}

/** The model of one object. */
export interface Model {
  /** What there is to see of it. */
  readonly state: unknown;
  /** Serves who can be served. */
  pump(): void;
  /** Whether nobody waits for it, and nobody has anything of it. */
  readonly idle: boolean;
}

interface Timer {
  readonly at: number;
  readonly call: number | undefined;
  readonly fire: () => void;
}

/** How a call ended: what it gave as JSON, or `! ` and the name of the error. */
export type Outcome = string;

/** The outcome of a call that gave the value. */
export function given(value: unknown): Outcome {
  return value === undefined ? "done" : JSON.stringify(value);
}

/** Of a caller that is gone nobody hears. */
export const gone: Outcome = "! gone";

/** The books of one program. */
export class Book {
  now = 0;
  lastFence = 0;
  /** How calls ended since somebody looked. */
  settled: [call: number, outcome: Outcome][] = [];
  /** What calls gave. */
  readonly handovers: Map<number, ModelHandover> = new Map();
  timers: Timer[] = [];
  readonly #waits = new Map<number, (outcome: Outcome) => void>();

  /** The call gives a value, perhaps with something that can come back. */
  resolve(call: ModelCall, value?: unknown, handover?: ModelHandover): void {
    if (handover) this.handovers.set(call.number, handover);
    this.#settle(call, given(value));
  }

  /** The call gives what can come back. */
  give(call: ModelCall, handover: ModelHandover): void {
    this.resolve(call, handover.content, handover);
  }

  /** The call fails. */
  reject(call: ModelCall, error: Outcome): void {
    this.#settle(call, error.startsWith("! ") ? error : `! ${error}`);
  }

  /** The call waits: it may be late, or be aborted. */
  park(call: ModelCall, late: string, giveUp: (outcome: Outcome) => void): void {
    this.#waits.set(call.number, giveUp);
    if (call.timeout === undefined) return;
    const fire = () => this.abort(call.number, `! ${late}`);
    this.timers.push({ at: this.now + call.timeout, call: call.number, fire });
  }

  /** The call cannot give up any more. */
  unpark(call: number): void {
    this.#waits.delete(call);
    this.timers = this.timers.filter((timer) => timer.call !== call);
  }

  /** The caller gives up. */
  abort(call: number, outcome: Outcome): void {
    const giveUp = this.#waits.get(call);
    this.unpark(call);
    giveUp?.(outcome);
  }

  /** Something happens later; the returned function forgets it. */
  later(milliseconds: number, fire: () => void): () => void {
    const timer = { at: this.now + milliseconds, call: undefined, fire };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Lets happen what is next; of several at a time what was set first. */
  fire(): void {
    const next = Math.min(...this.timers.map(({ at }) => at));
    const index = this.timers.findIndex(({ at }) => at === next);
    const [timer] = this.timers.splice(index, 1);
    timer!.fire();
  }

  #settle(call: ModelCall, outcome: Outcome): void {
    this.unpark(call.number);
    this.settled.push([call.number, outcome]);
  }
}
