/**
 * Barriers and events under many clients.
 *
 * Above: trials.ts. Below: trial.ts.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type BarrierProxy, BrokenBarrierError, type EventProxy } from "../../mod.ts";
import { type Club, gaveUp, type Member, type Span } from "./members.ts";
import { type Job, newName, Trial } from "./trial.ts";

/** A barrier: in each round that is complete every place is given once. */
export class BarrierTrial extends Trial {
  readonly names: readonly string[];
  readonly #name: string = newName("barrier");
  readonly #parties: number;
  /** How often each place was given. */
  readonly #places: number[];
  /** Whoever had these places died. */
  #perhaps = 0;
  #barrier!: BarrierProxy;

  constructor(club: Club, host: Member, parties: number) {
    super(club, host);
    this.#parties = parties;
    this.#places = Array<number>(parties).fill(0);
    this.names = [this.#name];
  }

  async open(): Promise<void> {
    this.#barrier = await this.#barrierOf(this.host);
  }

  async join(member: Member): Promise<Job[]> {
    const barrier = await this.#barrierOf(member);
    const wait = () => this.#wait(member, barrier);
    const mend = async () => {
      if (await member.do(() => barrier.broken())) await member.do(() => barrier.reset());
    };
    return [wait, wait, wait, mend];
  }

  override async release(): Promise<void> {
    await this.#barrier.abort();
  }

  async check(): Promise<void> {
    assert.equal(await this.#barrier.waiting(), 0);
    const rounds = Math.max(...this.#places);
    const missing = this.#places.reduce((sum, times) => sum + rounds - times, 0);
    assert.ok(missing <= this.#perhaps, `places ${this.#places} in ${rounds} rounds`);
  }

  #barrierOf(member: Member): Promise<BarrierProxy> {
    return member.do(() => member.manager.named(this.#name).barrier(this.#parties));
  }

  async #wait(member: Member, barrier: BarrierProxy): Promise<void> {
    this.#perhaps++;
    const place = await member.patiently(async (options): Promise<number | typeof gaveUp> => {
      try {
        return await barrier.wait(options);
      } catch (error) {
        if (error instanceof BrokenBarrierError) return gaveUp;
        throw error;
      }
    });
    this.#perhaps--;
    if (place !== gaveUp) this.#places[place]!++;
  }
}

/** An event: nobody passes who should not, and nobody waits who should not. */
export class EventTrial extends Trial {
  readonly names: readonly string[];
  readonly #name: string = newName("event");
  readonly #sets: Span[] = [];
  readonly #clears: Span[] = [];
  readonly #passed: Span[] = [];
  readonly #late: Span[] = [];
  #event!: EventProxy;

  constructor(club: Club, host: Member) {
    super(club, host);
    this.names = [this.#name];
  }

  async open(): Promise<void> {
    this.#event = await this.#eventOf(this.host);
  }

  async join(member: Member): Promise<Job[]> {
    const event = await this.#eventOf(member);
    const wait = () => this.#wait(member, event);
    const set = () => this.#keep(this.#sets, () => member.do(() => event.set()));
    const clear = () => this.#keep(this.#clears, () => member.do(() => event.clear()));
    return [wait, wait, set, clear];
  }

  override async release(): Promise<void> {
    await this.#keep(this.#sets, () => this.#event.set());
  }

  check(): Promise<void> {
    for (const { end } of this.#passed) {
      assert.ok(this.#sets.some(({ start }) => start < end), "passed what nobody had set");
    }
    for (const wait of this.#late) {
      const isSet = this.#sets.some((set) => {
        return set.end < wait.start &&
          this.#clears.every((clear) => clear.end < set.start || clear.start > wait.end);
      });
      assert.ok(!isSet, "was late although it was set all the time");
    }
    return Promise.resolve();
  }

  #eventOf(member: Member): Promise<EventProxy> {
    return member.do(() => member.manager.named(this.#name).event());
  }

  async #wait(member: Member, event: EventProxy): Promise<void> {
    const span = { start: ++this.club.moment, end: Infinity };
    const passed = await member.patiently((options) => event.wait(options));
    span.end = ++this.club.moment;
    if (passed === gaveUp) this.#late.push(span);
    else this.#passed.push(span);
  }

  /** What nobody knows the end of may have happened any time later. */
  async #keep(spans: Span[], action: () => Promise<void>): Promise<void> {
    const span = { start: ++this.club.moment, end: Infinity };
    spans.push(span);
    await action();
    span.end = ++this.club.moment;
  }
}
