/**
 * Queues under many clients: nothing is lost, nothing is doubled, first in first out as far as the
 * history tells.
 *
 * Above: trials.ts. Below: trial.ts.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type BuiltinCreators,
  type JoinableQueueProxy,
  type Lease,
  type ObjectInfo,
  type PriorityQueueProxy,
  type QueueProxy,
  QueueShutDownError,
  type WaitOptions,
} from "../../mod.ts";
import { eventually } from "../support/events.ts";
import { type Club, Died, gaveUp, type Member, type Span } from "./members.ts";
import { type Job, newName, Trial } from "./trial.ts";

/** The kinds of queues. */
export type QueueKind = "queue" | "lifoQueue" | "priorityQueue" | "joinableQueue";

/** What is tried. */
export interface QueueTrialOptions {
  readonly kind: QueueKind;
  /** Getters lease. */
  readonly isLeased: boolean;
  readonly maxSize: number;
  /** Getters have to get in the order of the puts. */
  readonly isOrdered?: boolean;
}

type AnyQueue = QueueProxy<number> & PriorityQueueProxy<number> & JoinableQueueProxy<number>;

/** An item, and when and by whom it was put or got; of several at once the place among them. */
interface Event extends Span {
  readonly item: number;
  readonly session: string;
  readonly place: number;
}

/** What a client has of the queue. */
interface End {
  readonly member: Member;
  readonly queue: AnyQueue;
}

/** More than ever happen: no item is given up. */
const maxAttempts = 1_000_000;

/** One queue. */
export class QueueTrial extends Trial {
  readonly names: readonly string[];
  readonly #options: QueueTrialOptions;
  readonly #name: string;
  readonly #put: Event[] = [];
  readonly #got: Event[] = [];
  /** Items that are done with, and since when. */
  readonly #done = new Map<number, number>();
  /** Whoever put these died, and perhaps put none. */
  readonly #perhapsPut = new Set<number>();
  /** Whoever was done with these died, and perhaps was not. */
  readonly #perhapsDone = new Set<number>();
  /** So many may have been on their way to those who died. */
  #perhapsGot = 0;
  #nextItem = 1;
  #host!: End;

  constructor(club: Club, host: Member, options: QueueTrialOptions) {
    super(club, host);
    this.#options = options;
    this.#name = newName(options.kind);
    this.names = [this.#name];
  }

  async open(): Promise<void> {
    this.#host = await this.#endOf(this.host);
  }

  async join(member: Member): Promise<Job[]> {
    const end = await this.#endOf(member);
    const put = () => this.#putOne(end);
    return [
      ...[put, () => twice(put), () => this.#putMany(end), () => this.#tryPut(end)],
      ...this.#getters(end),
    ];
  }

  /** Takes all that is there; when nobody puts any more, getters have nothing to wait for. */
  override async release(): Promise<void> {
    const { queue } = this.#host;
    try {
      while (await this.#getOne(this.#host, () => queue.tryGet(this.#lease)));
      const { waiters } = await this.#look();
      const isPutting = waiters.some(({ method }) => method.startsWith("put"));
      if (!isPutting) await queue.shutdown();
    } catch (error) {
      if (!(error instanceof QueueShutDownError)) throw error;
    }
  }

  async check(): Promise<void> {
    await eventually("everything was got", async () => {
      await this.release();
      const { ready = 0, leased = 0, delayed = 0 } = (await this.#look()).queue!;
      return ready + leased + delayed === 0;
    });
    assert.deepEqual(await this.#host.queue.dead(), []);
    const put = new Set(this.#put.map(({ item }) => item));
    for (const { item } of this.#got) {
      assert.ok(put.has(item) || this.#perhapsPut.has(item), `item ${item} was never put`);
    }
    if (this.#comesBack) this.#checkLeases(put);
    else this.#checkItems(put);
    if (this.#options.isOrdered) this.#checkOrder();
    if (this.#options.kind === "joinableQueue") await this.#host.queue.join();
  }

  get #comesBack(): boolean {
    return this.#options.isLeased || this.#options.kind === "joinableQueue";
  }

  get #lease(): { lease: false } {
    // One call of many types.
    return { lease: this.#options.isLeased as false };
  }

  async #endOf(member: Member): Promise<End> {
    const { kind, maxSize } = this.#options;
    const make = (named: BuiltinCreators) => named[kind]<number>({ maxSize, maxAttempts });
    const queue = await member.do(() => make(member.manager.named(this.#name)));
    return { member, queue: queue as AnyQueue };
  }

  async #look(): Promise<ObjectInfo> {
    const { objects } = await this.host.manager.debugInfo();
    return objects.find(({ names }) => names.includes(this.#name))!;
  }

  // Putting.

  async #putOne({ member, queue }: End): Promise<void> {
    const items = [this.#nextItem++];
    await this.#putting(
      member,
      items,
      () => member.patiently((options) => queue.put(items[0]!, { ...options, ...this.#priority })),
    );
  }

  async #putMany({ member, queue }: End): Promise<void> {
    const { random } = this.club;
    const length = 1 + random.below(this.#options.maxSize || 4);
    const items = Array.from({ length }, () => this.#nextItem++);
    await this.#putting(
      member,
      items,
      () => member.patiently((options) => queue.putMany(items, { ...options, ...this.#priority })),
    );
  }

  async #tryPut({ member, queue }: End): Promise<void> {
    const items = [this.#nextItem++];
    await this.#putting(member, items, async () => {
      return await member.do(() => queue.tryPut(items[0]!, this.#priority)) || gaveUp;
    });
  }

  get #priority(): { priority?: number } {
    return this.#options.kind === "priorityQueue" ? { priority: this.club.random.below(3) } : {};
  }

  /** Keeps what is known of items that are put. */
  async #putting(
    { session }: Member,
    items: readonly number[],
    put: () => Promise<unknown>,
  ): Promise<void> {
    for (const item of items) this.#perhapsPut.add(item);
    const start = ++this.club.moment;
    let isIn = false;
    try {
      isIn = await put() !== gaveUp;
    } catch (error) {
      if (!(error instanceof QueueShutDownError)) throw error;
    }
    const end = ++this.club.moment;
    for (const item of items) this.#perhapsPut.delete(item);
    if (!isIn) return;
    this.#put.push(...items.map((item, place) => ({ item, session, place, start, end })));
  }

  // Getting.

  #getters(end: End): Job[] {
    const { member, queue } = end;
    const get = () => this.#get(end, (options) => queue.get({ ...options, ...this.#lease }));
    const getMany = () =>
      this.#get(end, (options) => queue.getMany(3, { ...options, ...this.#lease }));
    const tryGet = async () => {
      await this.#getOne(end, () => member.do(() => queue.tryGet(this.#lease)));
    };
    const jobs = [get, () => twice(get), getMany, tryGet];
    return this.#options.isLeased ? [...jobs, () => this.#consume(member, queue)] : jobs;
  }

  async #get({ member, queue }: End, get: (options: WaitOptions) => Promise<unknown>) {
    await this.#getOne({ member, queue }, () => member.patiently(get));
  }

  /** Gets some, and does what is to be done with them; whether there was something. */
  async #getOne({ member, queue }: End, get: () => Promise<unknown>): Promise<boolean> {
    const start = ++this.club.moment;
    this.#perhapsGot += 3;
    let given: unknown;
    try {
      given = await get();
    } catch (error) {
      if (error instanceof Died) throw error;
      this.#perhapsGot -= 3;
      if (error instanceof QueueShutDownError) return false;
      throw error;
    }
    this.#perhapsGot -= 3;
    if (given === gaveUp || given === null) return false;
    const end = ++this.club.moment;
    const all = (Array.isArray(given) ? given : [given]) as unknown[];
    const items = all.map((one) => typeof one === "number" ? one : (one as Lease<number>).value);
    const { session } = member;
    this.#got.push(...items.map((item, place) => ({ item, session, place, start, end })));
    for (const [i, item] of items.entries()) {
      if (this.#options.isLeased) await this.#finish(member, all[i] as Lease<number>);
      else if (this.#comesBack) await member.do(() => queue.taskDone());
      else this.#done.set(item, end);
    }
    return true;
  }

  async #finish(member: Member, lease: Lease<number>): Promise<void> {
    const { random } = this.club;
    await member.turns();
    if (member.isMortal && random.oneIn(8)) {
      member.die();
      throw new Died();
    }
    if (random.oneIn(4)) {
      const delay = random.below(3);
      return await member.do(() => lease.nack(delay > 0 ? { delay } : undefined));
    }
    await this.#finishing(lease.value, () => member.do(() => lease.ack()));
  }

  async #finishing(item: number, finish: () => Promise<void>): Promise<void> {
    this.#perhapsDone.add(item);
    await finish();
    assert.ok(!this.#done.has(item), `item ${item} was done twice`);
    this.#done.set(item, ++this.club.moment);
    this.#perhapsDone.delete(item);
  }

  /** Some items, until enough. */
  async #consume(member: Member, queue: AnyQueue): Promise<void> {
    const { random } = this.club;
    const controller = new AbortController();
    const { signal } = controller;
    const handled: number[] = [];
    const handler = async (item: number) => {
      const start = ++this.club.moment;
      this.#got.push({ item, session: member.session, place: 0, start, end: start });
      await member.turns();
      if (random.oneIn(4)) controller.abort();
      if (random.oneIn(6)) throw new Error("comes back");
      handled.push(item);
      this.#perhapsDone.add(item);
    };
    if (!member.isMortal || random.oneIn(2)) setTimeout(() => controller.abort(), 2);
    await member.do(() => queue.consume(handler, { concurrency: 1 + random.below(2), signal }));
    for (const item of handled) await this.#finishing(item, () => Promise.resolve());
  }

  // Judging.

  /** At most once; what is missing was on its way to somebody who died. */
  #checkItems(put: ReadonlySet<number>): void {
    const got = new Set(this.#got.map(({ item }) => item));
    assert.equal(got.size, this.#got.length, "an item was got twice");
    const missing = [...put].filter((item) => !got.has(item));
    assert.ok(missing.length <= this.#perhapsGot, `items ${missing} are lost`);
  }

  /** At least once, until it is done, and not again. */
  #checkLeases(put: ReadonlySet<number>): void {
    const got = new Set(this.#got.map(({ item }) => item));
    for (const item of put) {
      assert.ok(got.has(item), `item ${item} is lost`);
      if (!this.#options.isLeased) continue;
      const isDone = this.#done.has(item) || this.#perhapsDone.has(item);
      assert.ok(isDone, `item ${item} was not done, and did not come back`);
    }
    for (const { item, start } of this.#got) {
      assert.ok(start < (this.#done.get(item) ?? Infinity), `item ${item} came back when done`);
    }
  }

  /** Of two items of which one was put before the other, that one was not got after it. */
  #checkOrder(): void {
    const gotOf = new Map(this.#got.map((event) => [event.item, event]));
    for (const first of this.#put) {
      for (const second of this.#put) {
        if (!isBefore(first, second)) continue;
        const [one, other] = [gotOf.get(first.item)!, gotOf.get(second.item)!];
        const text = `item ${second.item} overtook ${first.item}`;
        assert.ok(!isBefore(other, one), text);
      }
    }
  }
}

/** Two calls of one session, one behind the other. */
async function twice(job: Job): Promise<void> {
  const ends = await Promise.allSettled([job(), job()]);
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

/** Whether one was served before the other: one call had ended, or one session made both, in order. */
function isBefore(a: Event, b: Event): boolean {
  if (a.start === b.start) return a.place < b.place;
  return a.end < b.start || (a.session === b.session && a.start < b.start);
}
