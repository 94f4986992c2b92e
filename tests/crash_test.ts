/**
 * The crash matrix: a child in each runtime has one of every kind of thing, or waits for it, and is
 * killed in each moment of its life. What is promised for the kind holds for those that are left,
 * and of the child nothing is.
 *
 * Each test is one kill; what it finds is told for each kind by itself.
 *
 * @module
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { type DebugInfo, Manager, type ObjectInfo } from "../mod.ts";
import {
  type CrashManager,
  fateOf,
  type Kind,
  lastWords,
  type Moment,
  moments,
  soon,
} from "./fixtures/crash/kind.ts";
import { kindsAt } from "./fixtures/crash/kinds.ts";
import types from "./fixtures/crash/types.ts";
import { type Child, startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { fixture, type RuntimeName, runtimeNames } from "./support/runtimes.ts";

const skip = process.platform === "win32" && "Windows stops no process with a signal";
const done = { kills: 0, cells: 0, sent: 0, arrived: 0 };

for (const runtime of runtimeNames) {
  for (const moment of Object.keys(moments) as Moment[]) {
    void test(
      `a ${runtime} child is killed ${moments[moment]}: each promise holds`,
      { skip },
      async () => {
        const manager = await Manager.start({ types });
        try {
          await new Kill(runtime, moment, manager).run();
        } finally {
          await manager.shutdown();
        }
      },
    );
  }
}

/** One child and its end. */
class Kill {
  readonly #runtime: RuntimeName;
  readonly #moment: Moment;
  readonly #manager: CrashManager;
  readonly #kinds: readonly Kind[];
  #child!: Child;
  /** The child's session. */
  #theirs = "";

  constructor(runtime: RuntimeName, moment: Moment, manager: CrashManager) {
    this.#runtime = runtime;
    this.#moment = moment;
    this.#manager = manager;
    this.#kinds = kindsAt(moment);
  }

  async run(): Promise<void> {
    await this.#each((kind) => kind.open(this.#manager));
    if (this.#moment === "sending") await this.#each((kind) => kind.stock());
    else await this.#each((kind) => kind.hold());
    const { args, env } = { args: [this.#moment], env: this.#manager.env };
    this.#child = startScript(this.#runtime, fixture("crash/child.ts"), { args, env });
    try {
      await this.#kill();
      assert.equal((await this.#child.end).signal, "SIGKILL");
    } finally {
      this.#child.process.kill("SIGKILL");
      await this.#child.end;
    }
    await this.#afterwards();
  }

  async #kill(): Promise<void> {
    if (this.#moment === "sending") return; // it does so itself
    await this.#park();
    if (this.#moment === "waiting") return this.#now();
    if (this.#moment === "granted") await stop(this.#child.process.pid!);
    await this.#each((kind) => kind.give());
    await this.#until("the server has served the child", ({ kind, info }) => {
      return kind.isServed(info, this.#theirs);
    });
    if (this.#moment === "granted") return this.#now();
    assert.equal(await this.#child.line(), "taken");
    if (this.#moment === "holding") return this.#now();
    if (this.#moment === "ending") return await this.#killWhileEnding();
    this.#child.process.stdin!.write("end, but die before that is sent\n");
  }

  #now(): void {
    this.#child.process.kill("SIGKILL");
  }

  /** The child waits, and behind it others do. */
  async #park(): Promise<void> {
    const { sessions } = await this.#manager.debugInfo();
    const [ours] = Object.keys(sessions);
    await this.#until("the child waits", ({ kind, info, all }) => {
      this.#theirs = Object.keys(all.sessions).find((id) => id !== ours) ?? "";
      return waitersOf(info, this.#theirs) === kind.parked;
    });
    await this.#each((kind) => kind.follow());
    await this.#until("others wait behind it", ({ kind, info }) => {
      return waitersOf(info, ours!) === kind.behind;
    });
  }

  /** What the child sent is read only after its death. */
  async #killWhileEnding(): Promise<void> {
    const { pid } = await this.#manager.debugInfo();
    await stop(pid);
    try {
      this.#child.process.stdin!.write("end\n");
      assert.equal(await this.#child.line(), "sent");
      this.#now();
      await this.#child.end;
    } finally {
      process.kill(pid, "SIGCONT");
    }
  }

  async #afterwards(): Promise<void> {
    const fate = fateOf(this.#moment);
    const atOnce = await this.#sessionEnd();
    await this.#each((kind) => {
      if (!kind.deathServes(fate)) return;
      assert.deepEqual(infoOf(kind, atOnce).waiters, [], "somebody is not served at once");
    });
    const allArrived = await this.#lastWords() > 0;
    await this.#each(async (kind) => {
      const arrived = await kind.check(fate);
      if (allArrived) assert.notEqual(arrived, false, "what arrived had no effect");
      done.cells++;
      if (arrived !== undefined) done.sent++;
      if (arrived) done.arrived++;
    });
    assertNothingLeft(await this.#manager.debugInfo());
    done.kills++;
  }

  /** How many there are: none, the first, or all. */
  async #lastWords(): Promise<number> {
    const words = await this.#manager.named(lastWords.name).list();
    const count = await words.length();
    assert.ok([0, 1, 1 + lastWords.count].includes(count), `half a message: ${count}`);
    return count;
  }

  /** What the server knows when it knows for the first time that the child is gone. */
  async #sessionEnd(): Promise<DebugInfo> {
    const info = await eventually("the child's session is over", async () => {
      const all = await this.#manager.debugInfo();
      return Object.keys(all.sessions).length === 1 ? all : undefined;
    });
    const [ours] = Object.keys(info.sessions);
    for (const { names, holds, waiters, grants = [] } of info.objects) {
      assert.ok(names.length > 0, "an object that only the child had is left");
      const sessions = [
        ...Object.keys(holds),
        ...[...waiters, ...grants].map((one) => one.session),
      ];
      assert.deepEqual(sessions.filter((id) => id !== ours), [], `${names}: the child's are left`);
    }
    return info;
  }

  /** Until it is so for each kind; a failure names those for which it never was. */
  async #until(what: string, isSo: (state: KindState) => boolean): Promise<void> {
    let missing: string[] = [];
    const check = async () => {
      const all = await this.#manager.debugInfo();
      missing = this.#kinds.filter((kind) => !isSo({ kind, info: infoOf(kind, all), all }))
        .map(({ name }) => name);
      return missing.length === 0;
    };
    await eventually(what, check).catch((error) => {
      throw new Error(`${error.message}: ${missing.join("; ")}`, { cause: error });
    });
  }

  /** Does it with all kinds at once; all failures are told. */
  async #each(action: (kind: Kind) => Promise<void> | void): Promise<void> {
    const failures: string[] = [];
    await Promise.all(this.#kinds.map(async (kind) => {
      try {
        await soon("it is done", Promise.resolve(action(kind)));
      } catch (error) {
        failures.push(`${kind.name}: ${(error as Error).stack}`);
      }
    }));
    assert.equal(failures.length, 0, failures.join("\n\n"));
  }
}

interface KindState {
  readonly kind: Kind;
  readonly info: ObjectInfo;
  readonly all: DebugInfo;
}

function infoOf({ name }: Kind, { objects }: DebugInfo): ObjectInfo {
  return objects.find(({ names }) => names.includes(name))!;
}

function waitersOf({ waiters }: ObjectInfo, session: string): number {
  return waiters.filter((waiter) => waiter.session === session).length;
}

/** Nobody waits or has anything. */
function assertNothingLeft({ objects, suspects }: DebugInfo): void {
  for (const { names, waiters, grants = [], queue = {}, sleeping = 0 } of objects) {
    const counts = Object.values(queue).filter((count) => count !== 0);
    assert.deepEqual([waiters, grants, counts, sleeping], [[], [], [], 0], `${names}`);
  }
  assert.deepEqual(suspects, []);
}

/** Stops the process until SIGCONT; resolves when it does nothing any more. */
async function stop(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await eventually(`process ${pid} is stopped`, () => stateOf(pid) === "T");
}

function stateOf(pid: number): string {
  if (process.platform !== "linux") {
    return execFileSync("ps", ["-o", "state=", "-p", `${pid}`], { encoding: "utf8" })[0]!;
  }
  return readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "")[0]!;
}

void test("the matrix is not empty", { skip }, () => {
  const { kills, cells, sent, arrived } = done;
  console.log(
    `${kills} kills, ${cells} cells; of ${sent} calls on their way ${arrived} had arrived`,
  );
  assert.ok(kills > 0 && cells >= kills * 20);
});

void test("leaves nothing behind", assertClean);
