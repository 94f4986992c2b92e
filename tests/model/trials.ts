/**
 * The objects of one random program of many clients.
 *
 * Above: history.ts. Below: lock_trials.ts, queue_trials.ts, meeting_trials.ts.
 *
 * @module
 */
import { ConditionTrial, LockTrial } from "./lock_trials.ts";
import { BarrierTrial, EventTrial } from "./meeting_trials.ts";
import type { Club, Member } from "./members.ts";
import { QueueTrial } from "./queue_trials.ts";
import type { Trial } from "./trial.ts";

/** One object of most kinds, with random options. */
export async function makeTrials(club: Club, host: Member, isMortal: boolean): Promise<Trial[]> {
  const { random } = club;
  const permits = 1 + random.below(3);
  const maxSize = random.pick([0, 1, 3]);
  const locks = [
    new LockTrial(club, host, "lock"),
    new LockTrial(club, host, "rlock"),
    new LockTrial(club, host, "rwLock"),
  ];
  for (const lock of locks) lock.others = locks;
  const ordered = { kind: "queue", isLeased: false, maxSize, isOrdered: !isMortal } as const;
  const trials = [
    new QueueTrial(club, host, ordered),
    ...locks,
    new LockTrial(club, host, random.pick(["semaphore", "boundedSemaphore"]), permits),
    new ConditionTrial(club, host),
    new QueueTrial(club, host, { kind: "queue", isLeased: true, maxSize }),
    new QueueTrial(club, host, { kind: "lifoQueue", isLeased: random.oneIn(2), maxSize }),
    new QueueTrial(club, host, { kind: "priorityQueue", isLeased: random.oneIn(2), maxSize }),
    new QueueTrial(club, host, { kind: "joinableQueue", isLeased: false, maxSize }),
    new BarrierTrial(club, host, 2 + random.below(2)),
    new EventTrial(club, host),
  ];
  // A program with few objects has more to do with each.
  const used = random.oneIn(4) ? trials : trials.filter((_, i) => i === 0 || random.oneIn(4));
  for (const trial of used) await trial.open();
  return used;
}
