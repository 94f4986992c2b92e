/**
 * Plays a random program: every step is done to the referents, whose callers and whose clock are
 * made up here, and to their models; after it the same calls have to be over, with the same results.
 *
 * Sessions end as `lib/server/session.ts` ends them: all their calls are aborted, in order, then all
 * that they have is abandoned, in order; what was on its way to them goes back.
 *
 * Above: model_test.ts. Below: players.ts, support/clock.ts, `lib/objects`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ConnectionClosedError } from "../../lib/errors.ts";
import { Handover, Holding } from "../../lib/objects/handover.ts";
import { Ledger } from "../../lib/objects/ledger.ts";
import { Book, given, gone, type ModelHandover, type ModelHolding, type Outcome } from "./book.ts";
import { VirtualClock } from "../support/clock.ts";
import { Dice } from "./dice.ts";
import { inCircle, type LockModel, ModelClaim } from "./locks.ts";
import { type Hand, type Play, type Player, seatings } from "./players.ts";

/** Numbers from which a step follows. */
export type Step = readonly number[];

/** A random program. */
export interface Program {
  /** The kinds of its objects, and numbers from which the rest of them follows. */
  readonly objects: readonly (readonly [kind: string, numbers: Step])[];
  readonly sessions: number;
  readonly steps: readonly Step[];
}

/** What was done. */
export interface Tally {
  programs: number;
  /** Calls, what else a session does with what it has, aborts, ends of sessions. */
  operations: number;
  aborts: number;
  timeouts: number;
  disconnects: number;
  /** How often calls ended so: with a value, or with which error. */
  readonly outcomes: Map<string, number>;
}

/** What becomes of what a call gives. */
type Fate = "arrives" | "is lost" | "is cut" | "is late";

/** What arrived and can be acted on, on both sides. */
interface Held {
  readonly real: Holding;
  readonly model: ModelHolding;
}

/** One session. */
class Seat {
  readonly id: string;
  isOpen = true;
  /** What its handles would be, by calls: what is over is not among them. */
  readonly handles: Map<number, Held> = new Map();
  /** All that arrived. */
  readonly held: Held[] = [];

  constructor(id: string) {
    this.id = id;
  }

  /** The fences of its guards, the latest first; those that are over come last. */
  get fences(): number[] {
    const latest = this.held.slice(-6).reverse();
    const sorted = [...latest.filter(({ model }) => !model.over), ...latest];
    return [...new Set(sorted.flatMap(({ model }) => fenceOf(model)))];
  }
}

function fenceOf(model: ModelHolding): number[] {
  return model instanceof ModelClaim ? [model.grant.fence] : [];
}

/** One call that has not ended. */
interface Pending {
  readonly seat: Seat;
  readonly controller: AbortController;
  readonly play: Play;
  readonly fate: Fate;
}

/** How a call of a referent ended. */
interface Result {
  readonly value?: unknown;
  readonly error?: unknown;
}

const abortReason = new Error("aborted");
const closedReason = new ConnectionClosedError("The session of the caller ended");

/** Plays the program; throws where the referents do not do what their models do. */
export async function play(program: Program, tally: Tally): Promise<void> {
  const world = new World(program, tally);
  try {
    for (const step of program.steps) await world.step(new Dice(step));
    await world.end();
  } catch (error) {
    throw Object.assign(error as Error, { message: `${(error as Error).message}\n${world.story}` });
  }
  tally.programs++;
}

class World {
  readonly #tally: Tally;
  readonly #book = new Book();
  readonly #clock = new VirtualClock();
  readonly #ledger = new Ledger(0, () => "it");
  readonly #locks: LockModel[] = [];
  readonly #players: Player[];
  readonly #seats: Seat[];
  readonly #story: string[];
  readonly #pending = new Map<number, Pending>();
  readonly #ended: [number, Result][] = [];
  #calls = 0;
  #values = 0;
  #nextSeat = 1;

  constructor({ objects, sessions }: Program, tally: Tally) {
    this.#tally = tally;
    const table = { book: this.#book, locks: this.#locks };
    this.#players = objects.flatMap(([kind, numbers]) => seatings[kind]!(table, new Dice(numbers)));
    this.#seats = Array.from({ length: sessions }, () => this.#newSeat());
    this.#story = [`The program, over ${this.#players.map(({ name }) => name).join(", ")}:`];
  }

  /** What happened so far. */
  get story(): string {
    return this.#story.join("\n");
  }

  async step(dice: Dice): Promise<void> {
    const kind = dice.below(100);
    const seat = dice.pick(this.#seats);
    // Whoever has something decides how it goes on.
    const busy = this.#seats.filter(({ handles }) => handles.size > 0);
    const other = dice.pick(busy) ?? seat;
    if (kind < 30) await this.#move(seat, dice);
    else if (kind < 60) await this.#move(other, dice);
    else if (kind < 80) await this.#act(other, dice);
    else if (kind < 90) await this.#advance(1 + dice.below(3));
    else if (kind < 96) await this.#abort(dice);
    else await this.#replace(seat);
  }

  /** All sessions end: nothing is left. */
  async end(): Promise<void> {
    for (const seat of this.#seats) await this.#close(seat);
    while (this.#clock.timers > 0) await this.#advance(this.#clock.next - this.#clock.now());
    this.#tell("all has ended");
    assert.equal(this.#pending.size, 0, "calls that never end");
    assert.equal(this.#ledger.current.size, 0, "grants that never end");
    assert.deepEqual(this.#ledger.suspects(), []);
    for (const { name, model } of this.#players) assert.ok(model.idle, `${name} is in use`);
  }

  // Steps.

  async #move(seat: Seat, dice: Dice): Promise<void> {
    const player = dice.pick(this.#players);
    const move = dice.pick(player.moves);
    const fate = fates[dice.below(fates.length)] ?? "arrives";
    const hand: Hand = { dice, fences: seat.fences, newValue: () => ++this.#values };
    const play = move(hand);
    await this.#call(seat, { ...play, text: `${player.name}: ${play.text}` }, fate);
  }

  /** The session acts on something that it has, or had. */
  async #act(seat: Seat, dice: Dice): Promise<void> {
    const index = seat.held.length - 1 - dice.below(Math.min(6, seat.held.length));
    const held = seat.held[index];
    if (!held) return;
    const { real, model } = held;
    // It seldom gives up what it waits for.
    const waits = model instanceof ModelClaim && model.grant.ended !== undefined;
    if (waits && dice.below(8) < 7) return;
    if (dice.below(10) === 9) return await this.#return(seat, held);
    if (real.kind === "Items") return;
    const method = real.kind === "Grant" ? "release" : dice.pick(["ack", "nack"] as const);
    const item = dice.below(model.size);
    const delay = method === "nack" ? dice.pick([0, 0, 2, 1]) : 0;
    await this.#call(seat, {
      text: `${method} ${JSON.stringify(model.content)}[${item}], ${delay} ms`,
      real: () => {
        real.call(method, delay > 0 ? [item, { delay }] : [item]);
        if (real.over) this.#forget(seat, real);
      },
      model: (call) => model.act(call, method, item, delay),
    }, "arrives");
  }

  /** The session gives back what it has as if it had not been given. */
  async #return(seat: Seat, { real, model }: Held): Promise<void> {
    if (!this.#forget(seat, real)) return;
    this.#tally.operations++;
    this.#tell(`${seat.id} returns ${JSON.stringify(model.content)}`);
    real.giveBack();
    model.giveBack();
    await this.#agree();
  }

  async #abort(dice: Dice): Promise<void> {
    const [number, pending] = dice.pick([...this.#pending]) ?? [];
    if (!pending || number === undefined) return;
    this.#tally.operations++;
    this.#tally.aborts++;
    this.#tell(`abort ${number}`);
    pending.controller.abort(abortReason);
    this.#book.abort(number, "! aborted");
    await this.#agree();
  }

  async #replace(seat: Seat): Promise<void> {
    await this.#close(seat);
    this.#seats[this.#seats.indexOf(seat)] = this.#newSeat();
  }

  async #close(seat: Seat): Promise<void> {
    this.#tally.operations++;
    this.#tally.disconnects++;
    this.#tell(`${seat.id} ends`);
    seat.isOpen = false;
    const calls = [...this.#pending].filter(([, pending]) => pending.seat === seat);
    const handles = [...seat.handles.values()];
    seat.handles.clear();
    for (const [, { controller }] of calls) controller.abort(closedReason);
    for (const { real } of handles) real.abandon();
    for (const [number] of calls) this.#book.abort(number, gone);
    for (const { model } of handles) model.abandon();
    await this.#agree();
  }

  async #advance(milliseconds: number): Promise<void> {
    const end = this.#clock.now() + milliseconds;
    while (this.#clock.next <= end) {
      this.#moveTo(this.#clock.next);
      this.#clock.fire();
      this.#book.fire();
      await this.#agree();
    }
    this.#moveTo(end);
  }

  #moveTo(time: number): void {
    if (time > this.#clock.now()) this.#tell(`it is ${time} ms`);
    this.#clock.moveTo(time);
    this.#book.now = time;
  }

  // Calls.

  async #call(seat: Seat, play: Play, fate: Fate): Promise<void> {
    const number = ++this.#calls;
    this.#tally.operations++;
    const { timeout, text } = play;
    this.#tell(`${seat.id} calls ${number}, ${text}, within ${timeout} ms; it ${fate}`);
    const controller = new AbortController();
    this.#pending.set(number, { seat, controller, play, fate });
    play.model({ number, session: seat.id, timeout });
    const caller = {
      id: seat.id,
      timeout,
      signal: controller.signal,
      gone: () => !seat.isOpen,
      bytes: 0,
      clock: this.#clock,
      ledger: this.#ledger,
      settling: () => {},
    };
    try {
      const result = play.real(caller);
      if (result instanceof Promise) {
        result.then(
          (value) => this.#ended.push([number, { value }]),
          (error) => this.#ended.push([number, { error }]),
        );
      } else {
        this.#ended.push([number, { value: result }]);
      }
    } catch (error) {
      this.#ended.push([number, { error }]);
    }
    await this.#agree();
  }

  /** Both sides have to agree on what is over; what calls gave is delivered, or goes back. */
  async #agree(): Promise<void> {
    let isOver: boolean;
    do {
      // What referents do a little later.
      for (let i = 0; i < 5; i++) await undefined;
      for (const { model } of this.#players) model.pump();
      const results = this.#ended.splice(0).sort(([a], [b]) => a - b);
      const expected = this.#book.settled.splice(0).sort(([a], [b]) => a - b);
      const real = results.map(([number, result]) => `${number}: ${this.#outcome(number, result)}`);
      const model = expected.map(([number, text]) => `${number}: ${this.#masked(number, text)}`);
      this.#story.push(...real.map((text) => `    ${text}`));
      for (const [number, result] of results) this.#count(this.#outcome(number, result));
      assertSame(real, model, "how calls ended");
      const late = results.flatMap(([number, { value }]) => this.#deliver(number, value));
      for (const [seat, play] of late) await this.#call(seat, play, "arrives");
      isOver = results.length === 0;
    } while (!isOver);
    this.#compare();
  }

  #outcome(number: number, { value, error }: Result): Outcome {
    if (error === undefined) return given(value instanceof Handover ? value.content : value);
    if (error === closedReason || error === abortReason) {
      return this.#masked(number, error === closedReason ? gone : "! aborted");
    }
    const name = (error as Error).constructor.name;
    const isKnown = error instanceof Error && /Error$/.test(name);
    assert.ok(isKnown, `a call failed with ${String(error)}`);
    return this.#masked(number, `! ${name}`);
  }

  /** Whoever is gone does not learn why its call failed. */
  #masked(number: number, outcome: Outcome): Outcome {
    return outcome.startsWith("!") && !this.#pending.get(number)!.seat.isOpen ? gone : outcome;
  }

  /** Gives the caller what its call gave, or it goes back: at once, or by a play that is still to come. */
  #deliver(number: number, value: unknown): [Seat, Play][] {
    const { seat, play, fate } = this.#pending.get(number)!;
    this.#pending.delete(number);
    const model = this.#book.handovers.get(number);
    this.#book.handovers.delete(number);
    if (!(value instanceof Handover) || !model) {
      assert.ok(!(value instanceof Handover) && !model);
      return [];
    }
    if (!seat.isOpen || fate === "is lost") {
      this.#tell(`what ${number} gave is lost`);
      value.giveBack();
      model.giveBack();
      return [];
    }
    if (fate === "is cut") this.#cut(number, value, model);
    const late = fate === "is late" ? play.late?.(value.content) : undefined;
    value.sent();
    model.sent?.();
    if (value instanceof Holding) this.#keep(number, seat, value, model as ModelHolding);
    return late ? [[seat, late]] : [];
  }

  #cut(number: number, real: Handover, model: ModelHandover): void {
    assert.equal(real.shrink(), model.shrink());
    this.#tell(`of ${number} there is only ${given(real.content)}`);
    assert.equal(given(real.content), given(model.content));
  }

  #keep(number: number, seat: Seat, real: Holding, model: ModelHolding): void {
    assert.equal(real.over, model.over);
    if (real.over) return;
    const held = { real, model };
    seat.held.push(held);
    seat.handles.set(number, held);
    real.onOver = () => this.#forget(seat, real);
  }

  #forget(seat: Seat, real: Holding): boolean {
    const found = [...seat.handles].find(([, held]) => held.real === real);
    return found !== undefined && seat.handles.delete(found[0]);
  }

  #count(outcome: Outcome): void {
    const { outcomes } = this.#tally;
    const name = /^! (\w+)$/.exec(outcome)?.[1] ?? "a value";
    outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
    const isLate = /^! (TimeoutError|Queue(Empty|Full)Error)|"late"/.test(outcome);
    if (isLate) this.#tally.timeouts++;
  }

  // What there is to see.

  #compare(): void {
    for (const { name, model, state } of this.#players) assertSame(state(), model.state, name);
    const fences = this.#locks.flatMap((lock) => lock.fences).sort((a, b) => a - b);
    const current = [...this.#ledger.current.keys()].sort((a, b) => a - b);
    assertSame(current, fences, "the grants in the ledger");
    const circle = inCircle(this.#locks.flatMap((lock) => lock.links));
    const suspects = this.#ledger.suspects().map(({ session, heldBy }) => [session, heldBy]);
    assertSame(suspects.map(String).sort(), circle.map(String).sort(), "the suspects");
    assertSame(this.#clock.timers, this.#book.timers.length, "how many timers are set");
    for (const seat of this.#seats) {
      const over = [...seat.handles.values()].some(({ model }) => model.over);
      assert.ok(!over, `${seat.id} was not told that what it has is over`);
      for (const { real, model } of seat.held.slice(-12)) {
        assert.equal(real.over, model.over, `whether ${given(model.content)} is over`);
      }
    }
  }

  #newSeat(): Seat {
    return new Seat(`s${this.#nextSeat++}`);
  }

  #tell(text: string): void {
    this.#story.push(text);
  }
}

/** Most of what calls give arrives. */
const fates: readonly Fate[] = [
  ...Array<Fate>(9).fill("arrives"),
  ...["is lost", "is cut", "is late"] as const,
];

function assertSame(real: unknown, model: unknown, what: string): void {
  if (JSON.stringify(real) === JSON.stringify(model)) return;
  assert.deepEqual(real, model, `${what}: the referent differs from its model`);
}
