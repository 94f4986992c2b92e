/**
 * The queues by type: what a `get` gives with a lease and without one, priorities, handlers. Checked,
 * never run.
 *
 * @module
 */

import type {
  ConsumeOptions,
  DeadItem,
  GetOptions,
  JoinableQueueProxy,
  Lease,
  ListProxy,
  LockProxy,
  Manager,
  PriorityQueueProxy,
  QueueMethods,
  QueueOptions,
  QueueProxy,
  Remote,
} from "../../mod.ts";
import type { Equal, Expect } from "./expect.ts";
import { a } from "./expect.ts";

interface Job {
  name: string;
  size?: number;
}

export class Account {
  deposit(amount: number): number {
    return amount;
  }
}

export async function creationMethodsNameTheItems(m: Manager): Promise<unknown> {
  const options: QueueOptions = { maxSize: 3, maxAttempts: 2 };
  const jobs = await m.queue<Job>(options);
  const last = await m.lifoQueue<Job>({ maxSize: 1 });
  const sorted = await m.priorityQueue<Job>({ maxAttempts: 1 });
  const joined = await m.joinableQueue<Job>();
  const unknowns = await m.queue();
  const proxies = await m.queue<Remote<Account> | LockProxy>();
  const named = await m.named("jobs").queue<Job>({ maxSize: 3 });
  const namedSorted = await m.named("sorted").priorityQueue<Job>();
  const found = await m.lookup<JoinableQueueProxy<Job>>("joined");

  // @ts-expect-error: Python's spelling
  await m.queue<Job>({ maxsize: 3 });
  // @ts-expect-error: no number
  await m.queue<Job>({ maxSize: "3" });
  // @ts-expect-error: a size is an option
  await m.queue<Job>(3);
  // @ts-expect-error: a queue is made empty
  await m.queue<Job>([{ name: "paint" }]);

  return a<[
    Expect<Equal<typeof jobs, QueueProxy<Job>>>,
    Expect<Equal<typeof last, QueueProxy<Job>>>,
    Expect<Equal<typeof sorted, PriorityQueueProxy<Job>>>,
    Expect<Equal<typeof joined, JoinableQueueProxy<Job>>>,
    Expect<Equal<typeof unknowns, QueueProxy<unknown>>>,
    Expect<Equal<typeof proxies, QueueProxy<Remote<Account> | LockProxy>>>,
    Expect<Equal<typeof named, QueueProxy<Job>>>,
    Expect<Equal<typeof namedSorted, PriorityQueueProxy<Job>>>,
    Expect<Equal<typeof found, JoinableQueueProxy<Job> | undefined>>,
  ]>();
}

export async function aLeaseIsAskedFor(jobs: QueueProxy<Job>): Promise<unknown> {
  const { signal } = new AbortController();
  const item = await jobs.get();
  const patient = await jobs.get({ timeout: 5, signal });
  const plain = await jobs.get({ lease: false, timeout: 5 });
  const lease = await jobs.get({ lease: true, timeout: 5, signal });
  const tried = await jobs.tryGet();
  const triedPlain = await jobs.tryGet({ lease: false });
  const triedLease = await jobs.tryGet({ lease: true });
  const many = await jobs.getMany(5);
  const manyPlain = await jobs.getMany(5, { timeout: 0, signal });
  const leases = await jobs.getMany(5, { lease: true, timeout: 5 });

  const acked = await lease.ack();
  const nacked = await lease.nack({ delay: 1_000 });
  await lease.nack();
  await lease[Symbol.asyncDispose]();

  // @ts-expect-error: a lease is not the item
  lease.name;
  // @ts-expect-error: an item taken for good has nothing to acknowledge
  await item.ack();
  // @ts-expect-error: what was tried may be null
  tried.value;
  // @ts-expect-error: what comes with a lease cannot be changed
  lease.attempt = 1;
  // @ts-expect-error: a delay is an option
  await lease.nack(1_000);
  // @ts-expect-error: how many is missing
  await jobs.getMany({ lease: true });
  // @ts-expect-error: trying takes no time
  await jobs.tryGet({ timeout: 5 });
  // @ts-expect-error: no such option
  await jobs.get({ leased: true });
  // @ts-expect-error: Python's arguments
  await jobs.get(true, 5);
  // @ts-expect-error: whether to lease has to be known where it is written
  await jobs.get({ lease: a<boolean>() });
  // @ts-expect-error: the same, in options that say nothing
  await jobs.get(a<GetOptions>());

  return a<[
    Expect<Equal<typeof item, Job>>,
    Expect<Equal<typeof patient, Job>>,
    Expect<Equal<typeof plain, Job>>,
    Expect<Equal<typeof lease, Lease<Job>>>,
    Expect<Equal<typeof tried, { value: Job } | null>>,
    Expect<Equal<typeof triedPlain, { value: Job } | null>>,
    Expect<Equal<typeof triedLease, Lease<Job> | null>>,
    Expect<Equal<typeof many, Job[]>>,
    Expect<Equal<typeof manyPlain, Job[]>>,
    Expect<Equal<typeof leases, Lease<Job>[]>>,
    Expect<Equal<typeof lease.value, Job>>,
    Expect<Equal<typeof lease.attempt, number>>,
    Expect<Equal<typeof acked, void>>,
    Expect<Equal<typeof nacked, void>>,
  ]>();
}

export async function itemsArePut(jobs: QueueProxy<Job>, more: ListProxy<Job>): Promise<unknown> {
  const put = await jobs.put({ name: "paint" }, { timeout: 5 });
  const tried = await jobs.tryPut({ name: "paint" });
  await jobs.putMany([{ name: "paint" }, { name: "mop" }], { timeout: 5 });
  await jobs.putMany(new Set([{ name: "paint" }]));
  await jobs.putMany(more); // the items of another object of the server

  // @ts-expect-error: another kind of item
  await jobs.put("paint");
  // @ts-expect-error: an item lacks its name
  await jobs.putMany([{ size: 3 }]);
  // @ts-expect-error: one item is not many
  await jobs.putMany({ name: "paint" });
  // @ts-expect-error: trying takes no time
  await jobs.tryPut({ name: "paint" }, { timeout: 5 });
  // @ts-expect-error: this queue has no priorities
  await jobs.put({ name: "paint" }, { priority: 1 });

  return a<[Expect<Equal<typeof put, void>>, Expect<Equal<typeof tried, boolean>>]>();
}

export async function onlyAPriorityQueueHasPriorities(
  sorted: PriorityQueueProxy<Job>,
): Promise<unknown> {
  await sorted.put({ name: "paint" }, { priority: 1, timeout: 5 });
  await sorted.put({ name: "paint" }, { priority: 1n });
  await sorted.put({ name: "paint" }, { priority: "b" });
  await sorted.put({ name: "paint" }, { priority: [1, "b", [2n]] });
  await sorted.put({ name: "paint" });
  const tried = await sorted.tryPut({ name: "paint" }, { priority: 1 });
  await sorted.putMany([{ name: "paint" }], { priority: 1, timeout: 5 });
  const lease = await sorted.get({ lease: true });

  // @ts-expect-error: there is no order of Dates
  await sorted.put({ name: "paint" }, { priority: new Date() });
  // @ts-expect-error: the priority is an option
  await sorted.put({ name: "paint" }, 1);
  // @ts-expect-error: Python's tuple is no item
  await sorted.put([1, { name: "paint" }]);
  // @ts-expect-error: only a joinableQueue knows what is done
  await sorted.taskDone();

  return a<[
    Expect<Equal<typeof tried, boolean>>,
    Expect<Equal<typeof lease, Lease<Job>>>,
  ]>();
}

export async function aJoinableQueueIsAQueue(
  joined: JoinableQueueProxy<Job>,
  jobs: QueueProxy<Job>,
): Promise<unknown> {
  const queue: QueueProxy<Job> = joined;
  const item = await joined.get();
  const lease = await joined.get({ lease: true });
  const done = await joined.taskDone();
  const all = await joined.join({ timeout: 5 });
  await queue.put(item);

  // @ts-expect-error: only a joinableQueue knows what is done
  await jobs.taskDone();
  // @ts-expect-error: the same
  await jobs.join();
  // @ts-expect-error: a queue without priorities is no joinable one
  const wrong: JoinableQueueProxy<Job> = jobs;

  return a<[
    Expect<Equal<typeof item, Job>>,
    Expect<Equal<typeof lease, Lease<Job>>>,
    Expect<Equal<typeof done, void>>,
    Expect<Equal<typeof all, void>>,
    typeof wrong,
  ]>();
}

export async function handlersGetItemsAndLeases(jobs: QueueProxy<Job>): Promise<unknown> {
  const options: ConsumeOptions<Job> = {
    concurrency: 4,
    signal: AbortSignal.timeout(5),
    onError: (error, { value, attempt }) => console.error(error, value.name, attempt),
  };
  const consumed = await jobs.consume(async (job, lease) => {
    a<(value: [Job, Lease<Job>]) => void>()([job, lease]);
    await lease.ack();
  }, options);
  await jobs.consume((job) => job.name);
  await jobs.consume(() => {});
  for await (const job of jobs) a<(value: Job) => void>()(job);

  const size = await jobs.size();
  const empty = await jobs.empty();
  const full = await jobs.full();
  const dead = await jobs.dead();
  await jobs.dead({ remove: true });
  await jobs.shutdown();
  await jobs.shutdown({ immediate: true });

  // @ts-expect-error: a handler of other items
  await jobs.consume((job: string) => job);
  // @ts-expect-error: the handler is missing
  await jobs.consume({ concurrency: 4 });
  // @ts-expect-error: nothing waits that could time out
  await jobs.consume(() => {}, { timeout: 5 });
  // @ts-expect-error: only async iterable
  for (const job of jobs) a<(value: Job) => void>()(job);
  // @ts-expect-error: Python's argument
  await jobs.shutdown(true);

  return a<[
    Expect<Equal<typeof consumed, void>>,
    Expect<Equal<typeof size, number>>,
    Expect<Equal<typeof empty, boolean>>,
    Expect<Equal<typeof full, boolean>>,
    Expect<Equal<typeof dead, DeadItem<Job>[]>>,
  ]>();
}

// What only takes out of a queue takes any of them.
export async function work(queue: QueueMethods<Job>): Promise<void> {
  await queue.consume(({ name }) => name);
  // @ts-expect-error: what all queues have has no `put`: it differs
  await queue.put({ name: "paint" });
}
export async function workOnAny(
  queue: QueueProxy<Job>,
  sorted: PriorityQueueProxy<Job>,
  joined: JoinableQueueProxy<Job>,
  others: QueueProxy<string>,
): Promise<void> {
  await work(queue);
  await work(sorted);
  await work(joined);
  // @ts-expect-error: other items
  await work(others);
}
