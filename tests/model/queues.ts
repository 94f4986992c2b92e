/**
 * The models of the queues.
 *
 * Above: players.ts. Below: book.ts.
 *
 * @module
 */
import type { Book, Model, ModelCall, ModelHandover, ModelHolding } from "./book.ts";

/** The kinds of queues. */
export type QueueKind = "queue" | "lifoQueue" | "priorityQueue" | "joinableQueue";

interface Item {
  readonly value: number;
  /** When it was put; below 0: before all others. */
  readonly place: number;
  readonly priority: number;
  attempts: number;
}

/** An item that was leased too often. */
export interface DeadItem {
  readonly value: number;
  readonly attempts: number;
}

/** What a getter asks for, and how it receives it. */
export interface Want {
  readonly max: number;
  readonly lease: boolean;
  readonly shape: "value" | "found" | "values";
}

interface Getter {
  readonly call: ModelCall;
  readonly want: Want;
}

interface Putter {
  readonly call: ModelCall;
  readonly items: Item[];
}

interface ModelLease {
  readonly item: Item;
  readonly session: string;
  over: boolean;
}

/** Items that the caller has once they have arrived. */
class ModelItems implements ModelHandover {
  readonly #queue: QueueModel;
  readonly #shape: Want["shape"];
  #items: Item[];

  constructor(queue: QueueModel, items: Item[], shape: Want["shape"]) {
    this.#queue = queue;
    this.#items = items;
    this.#shape = shape;
  }

  get content(): unknown {
    return shaped(this.#items, this.#shape);
  }

  sent(): void {
    this.#queue.left();
  }

  giveBack(): void {
    this.#queue.restore(this.#items.splice(0));
    this.#queue.left();
  }

  shrink(): boolean {
    if (this.#items.length < 2) return false;
    this.#queue.restore(this.#items.splice(Math.floor(this.#items.length / 2)));
    return true;
  }
}

/** Dead items that the caller has once they have arrived. */
class ModelRemoved implements ModelHandover {
  readonly content: DeadItem[];
  readonly #queue: QueueModel;

  constructor(queue: QueueModel, items: DeadItem[]) {
    this.#queue = queue;
    this.content = items;
  }

  giveBack(): void {
    this.#queue.restoreDead(this.content.splice(0));
  }

  shrink(): boolean {
    if (this.content.length < 2) return false;
    this.#queue.restoreDead(this.content.splice(Math.floor(this.content.length / 2)));
    return true;
  }
}

/** Items that the caller's session has, and that come back. */
class ModelLeases implements ModelHolding {
  readonly #queue: QueueModel;
  readonly #want: Want;
  #leases: ModelLease[];

  constructor(queue: QueueModel, leases: ModelLease[], want: Want) {
    this.#queue = queue;
    this.#leases = leases;
    this.#want = want;
  }

  get content(): unknown {
    const items = this.#leases.map(({ item }) => item);
    if (!this.#want.lease) return shaped(items, this.#want.shape);
    return items.flatMap(({ value, attempts }) => [value, attempts]);
  }

  get size(): number {
    return this.#leases.length;
  }

  get over(): boolean {
    return this.#leases.every(({ over }) => over);
  }

  act(call: ModelCall, method: string, index: number, delay: number): void {
    const lease = this.#leases[index]!;
    const { book } = this.#queue;
    if (lease.over) return book.reject(call, "LeaseLostError");
    book.resolve(call);
    if (method === "ack") this.#queue.finish(lease);
    else this.#queue.takeBack([lease], true, delay);
  }

  giveBack(): void {
    this.#queue.takeBack(this.#out, false, 0);
  }

  abandon(): void {
    this.#queue.takeBack(this.#out, true, 0);
  }

  shrink(): boolean {
    const half = Math.floor(this.#leases.length / 2);
    if (half === 0) return false;
    this.#queue.takeBack(this.#leases.splice(half), false, 0);
    return true;
  }

  get #out(): ModelLease[] {
    return this.#leases.filter(({ over }) => !over);
  }
}

/** A queue. */
export class QueueModel implements Model {
  readonly book: Book;
  readonly kind: QueueKind;
  readonly #maxSize: number;
  readonly #maxAttempts: number;
  #ready: Item[] = [];
  #leases: ModelLease[] = [];
  readonly #delayed = new Map<Item, () => void>();
  #dead: DeadItem[] = [];
  #getters: Getter[] = [];
  #putters: Putter[] = [];
  #joiners: ModelCall[] = [];
  #unfinished = 0;
  /** How many calls were given items that may yet come back. */
  #leaving = 0;
  #lastPlace = 0;
  #headPlace = 0;
  #over: "no" | "draining" | "at once" = "no";

  constructor(book: Book, kind: QueueKind, maxSize: number, maxAttempts: number) {
    this.book = book;
    this.kind = kind;
    this.#maxSize = maxSize === 0 ? Infinity : maxSize;
    this.#maxAttempts = maxAttempts;
  }

  get state(): unknown {
    return {
      ready: this.#ready.length,
      leased: this.#leases.length,
      delayed: this.#delayed.size,
      dead: this.#dead.length,
      getters: this.#getters.length,
      putters: this.#putters.length,
      ...this.kind === "joinableQueue" ? { unfinished: this.#unfinished } : {},
    };
  }

  get idle(): boolean {
    return this.#getters.length + this.#putters.length + this.#joiners.length +
        this.#leases.length + this.#delayed.size === 0;
  }

  put(call: ModelCall, values: readonly number[], priority: number): void {
    if (values.length > this.#maxSize) return this.book.reject(call, "RangeError");
    const items = this.#items(values, priority);
    if (this.#over !== "no") return this.book.reject(call, "QueueShutDownError");
    if (this.#tryPut(items)) return this.book.resolve(call);
    if (call.timeout === 0) return this.book.reject(call, "QueueFullError");
    this.#putters.push({ call, items });
    this.book.park(call, "QueueFullError", (outcome) => {
      this.#putters = this.#putters.filter((putter) => putter.call !== call);
      this.book.reject(call, outcome);
      this.pump();
    });
  }

  tryPut(call: ModelCall, value: number, priority: number): void {
    const items = this.#items([value], priority);
    if (this.#over !== "no") return this.book.reject(call, "QueueShutDownError");
    this.book.resolve(call, this.#tryPut(items));
  }

  get(call: ModelCall, want: Want): void {
    if (this.#nothingWillCome) return this.book.reject(call, "QueueShutDownError");
    if (this.#tryGet(call, want)) return;
    if (call.timeout === 0) return this.book.reject(call, "QueueEmptyError");
    this.#getters.push({ call, want });
    this.book.park(call, "QueueEmptyError", (outcome) => {
      this.#getters = this.#getters.filter((getter) => getter.call !== call);
      this.book.reject(call, outcome);
    });
  }

  tryGet(call: ModelCall, want: Want): void {
    if (this.#nothingWillCome) return this.book.reject(call, "QueueShutDownError");
    if (!this.#tryGet(call, want)) this.book.resolve(call, null);
  }

  shutdown(call: ModelCall, immediate: boolean): void {
    this.book.resolve(call);
    if (this.#over !== "at once") this.#over = immediate ? "at once" : "draining";
    for (const { call } of this.#putters.splice(0)) this.book.reject(call, "QueueShutDownError");
    if (immediate) {
      for (const forget of this.#delayed.values()) forget();
      this.#done(this.#ready.length + this.#delayed.size);
      this.#ready = [];
      this.#delayed.clear();
    }
    this.pump();
  }

  dead(call: ModelCall, remove: boolean, max: number): void {
    const items = this.#dead.slice(0, max);
    if (!remove) return this.book.resolve(call, items);
    this.#dead = this.#dead.slice(max);
    this.book.give(call, new ModelRemoved(this, items));
  }

  /** Dead items that had arrived when nobody waited any more. */
  takeBackDead(call: ModelCall, items: readonly DeadItem[]): void {
    this.book.resolve(call);
    this.restoreDead(items);
  }

  /** Dead items that never arrived. */
  restoreDead(items: readonly DeadItem[]): void {
    this.#dead = [...items, ...this.#dead];
  }

  /** Items that had arrived when nobody waited any more. */
  takeBackResult(call: ModelCall, values: readonly number[]): void {
    this.book.resolve(call);
    this.#headPlace -= values.length;
    const first = this.#headPlace;
    this.restore(values.map((value, i) => {
      return { value, place: first + i, priority: 0, attempts: 0 };
    }));
  }

  taskDone(call: ModelCall): void {
    const lease = this.#leases.find(({ session }) => session === call.session) ?? this.#leases[0];
    if (!lease) return this.book.reject(call, "RangeError");
    this.book.resolve(call);
    this.finish(lease);
  }

  join(call: ModelCall): void {
    if (this.#unfinished === 0) return this.book.resolve(call);
    if (call.timeout === 0) return this.book.reject(call, "TimeoutError");
    this.#joiners.push(call);
    this.book.park(call, "TimeoutError", (outcome) => {
      this.#joiners = this.#joiners.filter((joiner) => joiner !== call);
      this.book.reject(call, outcome);
    });
  }

  /** Items that never arrived. */
  restore(items: readonly Item[]): void {
    for (const item of items) this.#comeBack(item);
    this.pump();
  }

  /** What one call was given is away, or came back. */
  left(): void {
    this.#leaving--;
    this.pump();
  }

  /** The item is done with. */
  finish(lease: ModelLease): void {
    this.#settle(lease);
    this.#done(1);
    this.pump();
  }

  /** Items come back, after an attempt or not; who waits for them has to wait until all are back. */
  takeBack(leases: readonly ModelLease[], isAttempt: boolean, delay: number): void {
    for (const lease of leases) {
      this.#settle(lease);
      const { item } = lease;
      if (!isAttempt) item.attempts--;
      if (isAttempt && item.attempts >= this.#maxAttempts) this.#bury(item);
      else if (delay > 0 && this.#over !== "at once") this.#comeBackLater(item, delay);
      else this.#comeBack(item);
    }
  }

  pump(): void {
    while (this.#serveGetter() || this.#servePutter());
    if (!this.#nothingWillCome) return;
    for (const { call } of this.#getters.splice(0)) this.book.reject(call, "QueueShutDownError");
  }

  #items(values: readonly number[], priority: number): Item[] {
    return values.map((value) => ({ value, place: ++this.#lastPlace, priority, attempts: 0 }));
  }

  #tryPut(items: readonly Item[]): boolean {
    if (this.#putters.length > 0 || this.#ready.length + items.length > this.#maxSize) return false;
    this.#add(items);
    this.pump();
    return true;
  }

  #add(items: readonly Item[]): void {
    this.#ready.push(...items);
    this.#unfinished += items.length;
  }

  #tryGet(call: ModelCall, want: Want): boolean {
    if (this.#getters.length > 0 || this.#ready.length === 0) return false;
    this.#give(call, want);
    this.pump();
    return true;
  }

  #serveGetter(): boolean {
    if (this.#getters.length === 0 || this.#ready.length === 0) return false;
    const { call, want } = this.#getters.shift()!;
    this.#give(call, want);
    return true;
  }

  #servePutter(): boolean {
    const first = this.#putters[0];
    if (!first || this.#ready.length + first.items.length > this.#maxSize) return false;
    this.#putters.shift();
    this.#add(first.items);
    this.book.resolve(first.call);
    return true;
  }

  #give(call: ModelCall, want: Want): void {
    const items = this.#ready.sort((a, b) => this.#order(a, b)).splice(0, want.max);
    if (!want.lease && this.kind !== "joinableQueue") {
      this.#leaving++;
      return this.book.give(call, new ModelItems(this, items, want.shape));
    }
    const leases = items.map((item) => ({ item, session: call.session, over: false }));
    for (const item of items) item.attempts++;
    this.#leases.push(...leases);
    this.book.give(call, new ModelLeases(this, leases, want));
  }

  /** In which order items are taken. */
  #order(a: Item, b: Item): number {
    if (a.place < 0 || b.place < 0) return a.place - b.place;
    if (this.kind === "lifoQueue") return b.place - a.place;
    if (this.kind === "priorityQueue") return a.priority - b.priority || a.place - b.place;
    return a.place - b.place;
  }

  #settle(lease: ModelLease): void {
    lease.over = true;
    this.#leases = this.#leases.filter((other) => other !== lease);
  }

  #comeBack(item: Item): void {
    if (this.#over === "at once") this.#done(1);
    else this.#ready.push(item);
  }

  #comeBackLater(item: Item, delay: number): void {
    const forget = this.book.later(delay, () => {
      this.#delayed.delete(item);
      this.restore([item]);
    });
    this.#delayed.set(item, forget);
  }

  #bury({ value, attempts }: Item): void {
    this.#dead.push({ value, attempts });
    this.#done(1);
  }

  #done(count: number): void {
    this.#unfinished -= count;
    if (this.#unfinished > 0) return;
    for (const call of this.#joiners.splice(0)) this.book.resolve(call);
  }

  get #nothingWillCome(): boolean {
    if (this.#over === "at once") return true;
    const left = this.#ready.length + this.#leases.length + this.#delayed.size + this.#leaving;
    return this.#over === "draining" && left === 0;
  }
}

function shaped(items: readonly Item[], shape: Want["shape"]): unknown {
  if (shape === "values") return items.map(({ value }) => value);
  const { value } = items[0]!;
  return shape === "found" ? { value } : value;
}
