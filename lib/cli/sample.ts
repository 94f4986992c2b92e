/**
 * One look at a server: what `debugInfo()` says, sorted by what one asks of it. Pure.
 *
 * Above: top.ts. Below: the types of debugInfo.
 *
 * @module
 */

import type { DebugInfo, GrantInfo, ObjectInfo } from "../server/control.ts";
import type { CallInfo } from "../server/session.ts";

/** What `referent top --json` prints, one a line. Times are milliseconds. */
export interface Sample
  extends Pick<DebugInfo, "address" | "epoch" | "pid" | "runtime" | "uptime" | "suspects"> {
  /** When it was taken, as ISO 8601. */
  readonly time: string;
  /** How many objects there are, and of which typeids. */
  readonly objects: { readonly total: number; readonly byTypeid: Readonly<Record<string, number>> };
  /** References, calls and output of each session. */
  readonly sessions: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What gives grants: who has it, who waits for it. */
  readonly locks: readonly LockSample[];
  /** The queues and their depths. */
  readonly queues: readonly QueueSample[];
  /** Everything else that calls wait for. */
  readonly waits: readonly Waited[];
  /** The calls of methods. */
  readonly calls: CallSample;
}

/** An object, and the calls that wait on it. */
export interface Waited {
  /** Its number in the server. */
  readonly id: number;
  /** Its typeid. */
  readonly typeid: string;
  /** The names it is published under. */
  readonly names: readonly string[];
  /** The calls that wait, each session's in the order in which they came. */
  readonly waiters: readonly CallInfo[];
}

/** A lock, semaphore or condition. */
export interface LockSample extends Waited {
  /** Who has it. */
  readonly holders: readonly GrantInfo[];
}

/** A queue. */
export interface QueueSample extends Waited {
  /** How many items are ready, leased, delayed, dead, ...; how many callers wait. */
  readonly depth: Readonly<Record<string, number>>;
}

/** The calls of methods. */
export interface CallSample {
  /** Since the server's start. */
  readonly total: number;
  /** Since the sample before; of the first one since the server's start. */
  readonly perSecond: number;
  /** Each method that was called, the slowest first. */
  readonly methods: readonly MethodSample[];
}

/** The calls of one method. */
export interface MethodSample {
  /** `typeid.method`. */
  readonly method: string;
  /** Since the server's start. */
  readonly calls: number;
  /** As of all calls. */
  readonly perSecond: number;
  /** Milliseconds of the synchronous part, of all calls. */
  readonly time: number;
  /** The same of one call, on average. */
  readonly meanTime: number;
}

/** Sorts what the server said; `before` is what it said at the sample before. */
export function sampleOf(info: DebugInfo, before: DebugInfo | undefined, now: Date): Sample {
  const { address, epoch, pid, runtime, uptime, suspects, objects } = info;
  const byTypeid: Record<string, number> = {};
  for (const { typeid } of objects) byTypeid[typeid] = (byTypeid[typeid] ?? 0) + 1;
  return {
    time: now.toISOString(),
    address,
    epoch,
    pid,
    runtime,
    uptime,
    objects: { total: objects.length, byTypeid },
    sessions: info.sessions,
    locks: objects.filter(({ grants }) => grants).map((lock) => ({
      ...waited(lock),
      holders: lock.grants!,
    })),
    queues: objects.filter(({ queue }) => queue).map((queue) => ({
      ...waited(queue),
      depth: queue.queue!,
    })),
    waits: objects.filter(({ grants, queue, waiters }) => !grants && !queue && waiters.length > 0)
      .map(waited),
    calls: callsOf(info, before),
    suspects,
  };
}

function waited({ id, typeid, names, waiters }: ObjectInfo): Waited {
  return { id, typeid, names, waiters };
}

function callsOf(info: DebugInfo, before: DebugInfo | undefined): CallSample {
  const seconds = (info.uptime - (before?.uptime ?? 0)) / 1000;
  const rate = (calls: number, earlier: number) => seconds > 0 ? (calls - earlier) / seconds : 0;
  const methods = Object.entries(info.methods).map(([method, { calls, time }]): MethodSample => ({
    method,
    calls,
    perSecond: rate(calls, before?.methods[method]?.calls ?? 0),
    time,
    meanTime: time / calls,
  }));
  return {
    total: sum(methods, ({ calls }) => calls),
    perSecond: sum(methods, ({ perSecond }) => perSecond),
    methods: methods.sort((a, b) => b.meanTime - a.meanTime),
  };
}

function sum<T>(items: readonly T[], valueOf: (item: T) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0);
}
