/**
 * The models of what callers wait for together: event, barrier, countDownLatch, rateLimiter.
 *
 * Above: players.ts. Below: book.ts.
 *
 * @module
 */
import type { Book, Model, ModelCall } from "./book.ts";

/** A flag. */
export class EventModel implements Model {
  readonly #book: Book;
  #isSet = false;
  #waiting: ModelCall[] = [];

  constructor(book: Book) {
    this.#book = book;
  }

  get state(): unknown {
    return { isSet: this.#isSet };
  }

  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  pump(): void {}

  set(call: ModelCall): void {
    this.#isSet = true;
    for (const waiting of this.#waiting.splice(0)) this.#book.resolve(waiting);
    this.#book.resolve(call);
  }

  clear(call: ModelCall): void {
    this.#isSet = false;
    this.#book.resolve(call);
  }

  wait(call: ModelCall): void {
    if (this.#isSet) return this.#book.resolve(call);
    if (call.timeout === 0) return this.#book.reject(call, "TimeoutError");
    this.#waiting.push(call);
    this.#book.park(call, "TimeoutError", (outcome) => {
      this.#waiting = this.#waiting.filter((other) => other !== call);
      this.#book.reject(call, outcome);
    });
  }
}

/** A count that goes down to 0. */
export class LatchModel implements Model {
  readonly #book: Book;
  #count: number;
  #waiting: ModelCall[] = [];

  constructor(book: Book, count: number) {
    this.#book = book;
    this.#count = count;
  }

  get state(): unknown {
    return { count: this.#count };
  }

  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  pump(): void {}

  countDown(call: ModelCall, n: number): void {
    this.#count = Math.max(0, this.#count - n);
    this.#book.resolve(call, this.#count);
    if (this.#count > 0) return;
    for (const waiting of this.#waiting.splice(0)) this.#book.resolve(waiting);
  }

  wait(call: ModelCall): void {
    if (this.#count === 0) return this.#book.resolve(call);
    if (call.timeout === 0) return this.#book.reject(call, "TimeoutError");
    this.#waiting.push(call);
    this.#book.park(call, "TimeoutError", (outcome) => {
      this.#waiting = this.#waiting.filter((other) => other !== call);
      this.#book.reject(call, outcome);
    });
  }
}

/** A place where parties meet. */
export class BarrierModel implements Model {
  readonly #book: Book;
  readonly #parties: number;
  readonly #timeout: number | undefined;
  #waiting: ModelCall[] = [];
  #broken = false;

  constructor(book: Book, parties: number, timeout: number | undefined) {
    this.#book = book;
    this.#parties = parties;
    this.#timeout = timeout;
  }

  get state(): unknown {
    return { waiting: this.#waiting.length, broken: this.#broken };
  }

  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  pump(): void {}

  wait({ number, session, timeout = this.#timeout }: ModelCall): void {
    const call: ModelCall = { number, session, timeout };
    if (this.#broken) return this.#book.reject(call, "BrokenBarrierError");
    this.#waiting.push(call);
    if (this.#waiting.length === this.#parties) {
      return this.#waiting.splice(0).forEach((party, i) => this.#book.resolve(party, i));
    }
    const giveUp = (outcome: string) => {
      this.#waiting = this.#waiting.filter((other) => other !== call);
      this.#book.reject(call, outcome);
      this.#break();
    };
    if (timeout === 0) return giveUp("TimeoutError");
    this.#book.park(call, "TimeoutError", giveUp);
  }

  reset(call: ModelCall): void {
    this.#break();
    this.#broken = false;
    this.#book.resolve(call);
  }

  abort(call: ModelCall): void {
    this.#break();
    this.#book.resolve(call);
  }

  #break(): void {
    this.#broken = true;
    for (const party of this.#waiting.splice(0)) this.#book.reject(party, "BrokenBarrierError");
  }
}

/** Tokens that come back one each millisecond. */
export class RateModel implements Model {
  readonly #book: Book;
  readonly #limit: number;
  #tokens: number;
  #counted = 0;
  #waiting: { readonly call: ModelCall; readonly n: number }[] = [];
  #forget: () => void = () => {};

  constructor(book: Book, limit: number) {
    this.#book = book;
    this.#limit = limit;
    this.#tokens = limit;
  }

  get state(): unknown {
    return {};
  }

  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  pump(): void {}

  tryAcquire(call: ModelCall, n: number): void {
    if (n > this.#limit) return this.#book.reject(call, "RangeError");
    this.#book.resolve(call, this.#take(n));
  }

  acquire(call: ModelCall, n: number): void {
    if (n > this.#limit) return this.#book.reject(call, "RangeError");
    if (this.#take(n)) return this.#book.resolve(call);
    if (call.timeout === 0) {
      this.#book.reject(call, "TimeoutError");
    } else {
      this.#waiting.push({ call, n });
      this.#book.park(call, "TimeoutError", (outcome) => {
        this.#waiting = this.#waiting.filter((other) => other.call !== call);
        this.#book.reject(call, outcome);
        this.#serve();
      });
    }
    this.#serve();
  }

  #take(n: number): boolean {
    this.#fill();
    if (this.#waiting.length > 0 || this.#tokens < n) return false;
    this.#tokens -= n;
    return true;
  }

  #fill(): void {
    this.#tokens = Math.min(this.#limit, this.#tokens + this.#book.now - this.#counted);
    this.#counted = this.#book.now;
  }

  #serve(): void {
    this.#forget();
    this.#fill();
    while (this.#waiting.length > 0 && this.#waiting[0]!.n <= this.#tokens) {
      const { call, n } = this.#waiting.shift()!;
      this.#tokens -= n;
      this.#book.resolve(call);
    }
    if (this.#waiting.length === 0) return;
    this.#forget = this.#book.later(this.#waiting[0]!.n - this.#tokens, () => this.#serve());
  }
}
