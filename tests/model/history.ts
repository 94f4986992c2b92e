/**
 * Random programs of 2 to 8 clients that use the same objects of one server at the same time. What
 * each of them did and was told is kept, and judged when all have ended: see trials.ts. Nothing may
 * be left then, and no call may hang.
 *
 * Above: history_test.ts. Below: members.ts, trials.ts.
 *
 * @module
 */
import assert from "node:assert/strict";
import { eventually } from "../support/events.ts";
import { type Access, type Club, Died, join, type Member, type Tally } from "./members.ts";
import { Random } from "./random.ts";
import type { Trial } from "./trial.ts";
import { makeTrials } from "./trials.ts";

/** One program. */
export interface HistoryProgram {
  readonly seed: number;
  readonly clients: number;
  /** Whether clients die; the order of queues is only known where nobody does. */
  readonly isMortal: boolean;
  readonly operations: number;
}

/** Runs the program with new objects of the server. */
export async function run(
  program: HistoryProgram,
  access: Access,
  tally: Tally,
): Promise<void> {
  const club: Club = {
    random: new Random(program.seed),
    tally,
    budget: program.operations,
    moment: 0,
    dead: new Set(),
    died: () => {},
  };
  const host = await join(club, access, "host");
  try {
    const trials = await makeTrials(club, host, program.isMortal);
    await new Program(program, access, club, host, trials).run();
    for (const trial of trials) await trial.check();
    await assertNothingLeft(host, trials);
    for (const name of trials.flatMap(({ names }) => names)) await host.manager.unpublish(name);
    tally.programs++;
  } finally {
    await host.leave();
  }
}

class Program {
  readonly #program: HistoryProgram;
  readonly #access: Access;
  readonly #club: Club;
  readonly #host: Member;
  readonly #trials: readonly Trial[];
  /** What runs, by what it is. */
  readonly #running = new Map<symbol, string>();
  #failure: unknown;

  constructor(
    program: HistoryProgram,
    access: Access,
    club: Club,
    host: Member,
    trials: readonly Trial[],
  ) {
    this.#program = program;
    this.#access = access;
    this.#club = club;
    this.#host = host;
    this.#trials = trials;
    club.died = () => {
      for (const trial of trials) this.#start("death", () => trial.mourn());
    };
  }

  async run(): Promise<void> {
    for (const trial of this.#trials) {
      for (const job of trial.steady) this.#start(`steady job of ${trial.names[0]}`, job);
    }
    this.#start("host", () => this.#work(this.#host));
    for (let i = 0; i < this.#program.clients; i++) {
      this.#start(`client ${i}`, () => this.#client());
    }
    await this.#end();
  }

  /** All that runs comes to its end, when those that still wait are let go. */
  async #end(): Promise<void> {
    const isOver = async () => {
      if (this.#failure !== undefined || this.#running.size === 0) return true;
      if (this.#club.budget <= 0) { for (const trial of this.#trials) await trial.release(); }
      return false;
    };
    try {
      await eventually("every call has ended", isOver);
    } catch (error) {
      const { objects } = await this.#host.manager.debugInfo();
      const text = JSON.stringify({ running: [...this.#running.values()], objects }, undefined, 1);
      throw new Error(`${error}\n${text}`, { cause: error });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #start(what: string, job: () => Promise<void>): void {
    const id = Symbol(what);
    this.#running.set(id, what);
    job().catch((error) => {
      if (!(error instanceof Died)) this.#failure ??= error;
    }).finally(() => this.#running.delete(id));
  }

  /** One client after the other, as they die. */
  async #client(): Promise<void> {
    while (this.#club.budget > 0) {
      const kind = this.#program.isMortal ? "mortal" : "guest";
      const member = await join(this.#club, this.#access, kind);
      const tasks = 1 + this.#club.random.below(3);
      await Promise.all(Array.from({ length: tasks }, () => this.#work(member)));
      await member.leave();
    }
  }

  async #work(member: Member): Promise<void> {
    try {
      const jobs: (() => Promise<void>)[] = [];
      for (const trial of this.#trials) jobs.push(...await trial.join(member));
      while (this.#club.budget > 0) await this.#club.random.pick(jobs)();
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
  }
}

/** Nobody waits, nobody has anything, and only the living have sessions. */
async function assertNothingLeft(host: Member, trials: readonly Trial[]): Promise<void> {
  const names = new Set(trials.flatMap(({ names }) => names));
  const look = async () => {
    const { objects, sessions, suspects } = await host.manager.debugInfo();
    assert.deepEqual(suspects, []);
    assert.equal(sessions[host.session]!["holdings"], 0);
    return objects.filter((object) => object.names.some((name) => names.has(name)));
  };
  await eventually("the others' sessions are over", async () => {
    const sessions = (await look()).flatMap(({ holds }) => Object.keys(holds));
    return sessions.every((session) => session === host.session);
  });
  for (const { names: [name], waiters, grants, sleeping, queue } of await look()) {
    assert.deepEqual(waiters, [], `waiters of ${name}`);
    assert.deepEqual(grants ?? [], [], `grants of ${name}`);
    assert.equal(sleeping ?? 0, 0, `sleepers of ${name}`);
    const { leased = 0, delayed = 0, getters = 0, putters = 0 } = queue ?? {};
    assert.deepEqual([leased, delayed, getters, putters], [0, 0, 0, 0], `queue ${name}`);
  }
}
