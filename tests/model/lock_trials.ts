/**
 * Locks, semaphores and conditions under many clients. The witnesses are in the server: a log of
 * who went in and out, and a count that is read, and written under the grant; what is not excluded
 * gets lost there.
 *
 * Above: trials.ts. Below: trial.ts.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type BuiltinCreators,
  type ConditionGuard,
  type ConditionProxy,
  DeadlockError,
  type Guard,
  type ListProxy,
  type LockProxy,
  NotOwnerError,
  type ReentrantGuard,
  type RWLockProxy,
  type SemaphoreProxy,
  type ValueProxy,
} from "../../mod.ts";
import { type Club, Died, gaveUp, type Member } from "./members.ts";
import { type Job, newName, Trial } from "./trial.ts";

/** What gives grants. */
export type LockKind = "lock" | "rlock" | "rwLock" | "semaphore" | "boundedSemaphore";

/** Who went in or out. */
type Entry = [what: "in" | "out", fence: number, session: string, shared: boolean, after: boolean];

type AnyLock = Pick<LockProxy, "acquire" | "tryAcquire" | "withLock" | "locked">;

/** A count in the server that is read and written under a grant, so that no addition may get lost. */
class Count {
  readonly name: string = newName("count");
  #added = 0;
  /** Of additions in vain or not nobody knows: whoever made them died. */
  #perhaps = 0;

  open(manager: Pick<Member["manager"], "named">): Promise<ValueProxy<number>> {
    return manager.named(this.name).value("int32", 0);
  }

  async add(member: Member, count: ValueProxy<number>, guard: Guard): Promise<void> {
    const before = await member.do(() => count.get());
    await member.turns();
    this.#perhaps++;
    await member.do(() => count.set(before + 1, { guard }));
    this.#perhaps--;
    this.#added++;
  }

  async check(host: Member): Promise<void> {
    const count = await (await this.open(host.manager)).get();
    const most = this.#added + this.#perhaps;
    assert.ok(count >= this.#added && count <= most, `${this.#added} <= ${count} <= ${most}`);
  }
}

/** What a client has of a trial. */
interface Tools {
  readonly member: Member;
  readonly lock: AnyLock;
  readonly log: ListProxy<Entry>;
  readonly count: ValueProxy<number>;
}

/** A lock, or a semaphore. */
export class LockTrial extends Trial {
  readonly names: readonly string[];
  /** The locks that may be taken with this one. */
  others: readonly LockTrial[] = [];
  readonly #kind: LockKind;
  readonly #permits: number;
  readonly #lockName: string;
  readonly #logName: string = newName("log");
  readonly #count = new Count();
  /** When a session asked for a grant, and its fence. */
  readonly #asked = new Map<string, [moment: number, fence: number][]>();

  constructor(club: Club, host: Member, kind: LockKind, permits = 1) {
    super(club, host);
    this.#kind = kind;
    this.#permits = permits;
    this.#lockName = newName(kind);
    this.names = [this.#lockName, this.#logName, this.#count.name];
  }

  async open(): Promise<void> {
    await this.#tools(this.host);
  }

  async join(member: Member): Promise<Job[]> {
    const tools = await this.#tools(member);
    const jobs = [() => this.#acquire(tools), () => this.#try(tools), () => this.#scoped(tools)];
    const other = this.club.random.pick(this.others.filter((lock) => lock !== this));
    if (!other) return jobs;
    const theirs = await other.#tools(member);
    return [...jobs, () => this.#both(tools, other, theirs)];
  }

  async check(): Promise<void> {
    const { lock, log } = await this.#tools(this.host);
    assert.equal(await lock.locked(), false);
    if (this.#counts) assert.equal(await (lock as SemaphoreProxy).value(), this.#permits);
    this.#judge(await log.copy());
    this.#judgeOrder();
    await this.#count.check(this.host);
  }

  get #counts(): boolean {
    return this.#kind === "semaphore" || this.#kind === "boundedSemaphore";
  }

  async #tools(member: Member): Promise<Tools> {
    const { manager } = member;
    return {
      member,
      lock: await member.do(() => this.#make(manager.named(this.#lockName))),
      log: await member.do(() => manager.named(this.#logName).list<Entry>()),
      count: await member.do(() => this.#count.open(manager)),
    };
  }

  #make(named: BuiltinCreators): Promise<AnyLock> {
    switch (this.#kind) {
      case "semaphore":
      case "boundedSemaphore":
        return named[this.#kind](this.#permits);
      case "rwLock":
        return named.rwLock();
      default:
        return named[this.#kind]();
    }
  }

  // Jobs.

  async #acquire(tools: Tools): Promise<void> {
    const { member, lock } = tools;
    const mode = this.#mode();
    const moment = ++this.club.moment;
    const guard = await member.patiently((options) => {
      return (lock as RWLockProxy).acquire({ ...options, ...mode });
    });
    if (guard === gaveUp) return;
    this.#granted(member, moment, guard);
    await this.#inside(tools, guard, mode?.mode === "shared");
    await this.#release(tools, guard);
  }

  async #try(tools: Tools): Promise<void> {
    const { member, lock } = tools;
    const mode = this.#mode();
    const guard = await member.do(() => (lock as RWLockProxy).tryAcquire(mode));
    if (!guard) return;
    await this.#inside(tools, guard, mode?.mode === "shared");
    await this.#release(tools, guard);
  }

  async #scoped(tools: Tools): Promise<void> {
    const { member, lock } = tools;
    const mode = this.#mode();
    const moment = ++this.club.moment;
    await member.patiently(async (options) => {
      await (lock as RWLockProxy).withLock(async (guard) => {
        this.#granted(member, moment, guard);
        await this.#inside(tools, guard, mode?.mode === "shared");
      }, { ...options, ...mode });
    });
  }

  /** Two locks without a timeout, in any order: whoever would wait in a circle is told. */
  async #both(tools: Tools, other: LockTrial, theirs: Tools): Promise<void> {
    const { member } = tools;
    try {
      await member.do(() =>
        tools.lock.withLock(async (guard) => {
          await this.#inside(tools, guard, false);
          await member.do(() =>
            theirs.lock.withLock((second) => other.#inside(theirs, second, false))
          );
        })
      );
    } catch (error) {
      if (!(error instanceof DeadlockError)) throw error;
    }
  }

  #granted({ session }: Member, moment: number, { fence }: Guard): void {
    const asked = this.#asked.get(session) ?? [];
    this.#asked.set(session, [...asked, [moment, fence]]);
  }

  #mode(): { mode: "shared" | "exclusive" } | undefined {
    if (this.#kind !== "rwLock") return undefined;
    return { mode: this.club.random.oneIn(3) ? "exclusive" : "shared" };
  }

  async #inside({ member, log, count }: Tools, guard: Guard, shared: boolean): Promise<void> {
    const { fence, abandoned } = guard;
    const { session } = member;
    const write = (what: Entry[0]) =>
      member.do(() => log.push([what, fence, session, shared, abandoned]));
    await write("in");
    if (!shared && !this.#counts) await this.#count.add(member, count, guard);
    else await member.turns();
    if (this.#kind === "rlock") await this.#enterAgain(member, guard as ReentrantGuard);
    if (member.isMortal && this.club.random.oneIn(8)) {
      member.die();
      throw new Died();
    }
    await write("out");
  }

  async #enterAgain(member: Member, guard: ReentrantGuard): Promise<void> {
    const again = await member.do(() => guard.acquire());
    assert.equal(again.fence, guard.fence);
    await member.do(() => again.release());
  }

  async #release({ member, count }: Tools, guard: Guard): Promise<void> {
    await member.do(() => guard.release());
    if (!this.club.random.oneIn(4)) return;
    const late = member.do(() => count.set(-1, { guard }));
    await assert.rejects(late, (error) => error instanceof NotOwnerError || error instanceof Died);
  }

  // Judging.

  /** Who was in at the same time. The dead are in until they write nothing any more. */
  #judge(entries: readonly Entry[]): void {
    const lastOf = new Map(entries.map(([, , session], i) => [session, i]));
    const isAlive = (session: string, i: number) => {
      return !this.club.dead.has(session) || lastOf.get(session)! > i;
    };
    const inside = new Map<number, Entry>();
    let lastFence = 0;
    for (const [i, entry] of entries.entries()) {
      const [what, fence, , , abandoned] = entry;
      if (what === "out") {
        assert.ok(inside.delete(fence));
        continue;
      }
      const others = [...inside.values()].filter(([, , session]) => isAlive(session, i));
      this.#judgeTogether(entry, others);
      if (this.#kind === "lock" || this.#kind === "rlock") {
        assert.ok(fence > lastFence, `fence ${fence} after ${lastFence}`);
        assert.ok(
          abandoned || inside.size === 0,
          `fence ${fence} after one who died is not marked`,
        );
        inside.clear();
      }
      lastFence = fence;
      inside.set(fence, entry);
    }
  }

  /** The calls of one session come in the order in which it made them: who asks first has it first. */
  #judgeOrder(): void {
    for (const asked of this.#asked.values()) {
      const fences = asked.sort(([a], [b]) => a - b).map(([, fence]) => fence);
      const sorted = [...fences].sort((a, b) => a - b);
      assert.deepEqual(fences, sorted, `the ${this.#kind} was given out of order`);
    }
  }

  #judgeTogether([, fence, , shared]: Entry, others: readonly Entry[]): void {
    const text = `fence ${fence} of the ${this.#kind} together with ${JSON.stringify(others)}`;
    if (this.#counts) assert.ok(others.length < this.#permits, text);
    else if (shared) assert.ok(others.every(([, , , shared]) => shared), text);
    else assert.equal(others.length, 0, text);
  }
}

/** What a client has of a condition. */
interface Line {
  readonly member: Member;
  readonly condition: ConditionProxy;
  readonly items: ListProxy<number>;
  readonly count: ValueProxy<number>;
}

/** A condition: items in a list, and those who wait for them. */
export class ConditionTrial extends Trial {
  readonly names: readonly string[];
  override readonly steady: readonly Job[] = [1, 2].map(() => () => this.#consumeAll());
  readonly #conditionName: string = newName("condition");
  readonly #listName: string = newName("items");
  readonly #count = new Count();
  readonly #put = new Set<number>();
  readonly #taken: number[] = [];
  /** Whoever took so many died, and perhaps took none. */
  #perhapsTaken = 0;
  /** Whoever put these died, and perhaps put none. */
  readonly #perhapsPut = new Set<number>();
  #nextItem = 1;
  #isOver = false;
  #line!: Line;

  constructor(club: Club, host: Member) {
    super(club, host);
    this.names = [this.#conditionName, this.#listName, this.#count.name];
  }

  async open(): Promise<void> {
    this.#line = await this.#lineOf(this.host);
  }

  async join(member: Member): Promise<Job[]> {
    const line = await this.#lineOf(member);
    const produce = () => this.#produce(line);
    const consume = () => this.#consume(line);
    return [produce, produce, consume, consume];
  }

  /** It may have had a notify that it did not use. */
  override async mourn(): Promise<void> {
    await this.#notifyAll();
  }

  /** Whoever waits steadily takes what is there: no notify got lost. Only then it is over. */
  override async release(): Promise<void> {
    if (!this.#isOver && await this.#line.items.length() > 0) return;
    this.#isOver = true;
    await this.#notifyAll();
  }

  async check(): Promise<void> {
    assert.equal(await this.#line.condition.locked(), false);
    assert.equal(new Set(this.#taken).size, this.#taken.length, "an item was taken twice");
    for (const item of this.#taken) {
      assert.ok(this.#put.has(item) || this.#perhapsPut.has(item), `item ${item} was never put`);
    }
    const left = await this.#line.items.copy();
    const missing = [...this.#put].filter((item) => {
      return !this.#taken.includes(item) && !left.includes(item);
    });
    assert.ok(missing.length <= this.#perhapsTaken, `items ${missing} are lost`);
    await this.#count.check(this.host);
  }

  async #lineOf(member: Member): Promise<Line> {
    const { manager } = member;
    return {
      member,
      condition: await member.do(() => manager.named(this.#conditionName).condition()),
      items: await member.do(() => manager.named(this.#listName).list<number>()),
      count: await member.do(() => this.#count.open(manager)),
    };
  }

  async #notifyAll(): Promise<void> {
    await this.#line.condition.withLock((guard) => guard.notifyAll());
  }

  async #produce(line: Line): Promise<void> {
    const { member, condition, items, count } = line;
    const guard = await member.patiently((options) => condition.acquire(options));
    if (guard === gaveUp) return;
    const item = this.#nextItem++;
    this.#perhapsPut.add(item);
    await member.do(() => items.push(item));
    this.#perhapsPut.delete(item);
    this.#put.add(item);
    await this.#count.add(member, count, guard);
    await member.do(() => guard.notify());
    await member.do(() => guard.release());
  }

  async #consume(line: Line): Promise<void> {
    const { member, condition } = line;
    const guard = await member.patiently((options) => condition.acquire(options));
    if (guard === gaveUp) return;
    const found = await member.patiently((options) => {
      return guard.waitFor(() => this.#isThereWork(line), options);
    });
    if (found !== gaveUp) await this.#take(line, guard);
    await member.do(() => guard.release());
  }

  async #consumeAll(): Promise<void> {
    const line = this.#line;
    while (!this.#isOver) {
      await line.condition.withLock(async (guard) => {
        await guard.waitFor(() => this.#isThereWork(line));
        await this.#take(line, guard);
      });
    }
  }

  async #isThereWork({ member, items }: Line): Promise<boolean> {
    return this.#isOver || await member.do(() => items.length()) > 0;
  }

  async #take({ member, items, count }: Line, guard: ConditionGuard): Promise<void> {
    this.#perhapsTaken++;
    const item = await member.do(() => items.shift());
    this.#perhapsTaken--;
    assert.ok(item !== undefined || this.#isOver, "somebody else took the item meanwhile");
    if (item !== undefined) this.#taken.push(item);
    await this.#count.add(member, count, guard);
  }
}
