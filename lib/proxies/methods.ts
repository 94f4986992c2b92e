/**
 * Which built-in proxies have methods that run where the proxy is, by the names of the proxies.
 *
 * Above: prototype.ts. Below: lock.ts, condition.ts, queue.ts, pool.ts.
 *
 * @module
 */

import { conditionMethods } from "./condition.ts";
import { acquiring, type LocalMethods, LockGuard, RLockGuard } from "./lock.ts";
import { poolMethods } from "./pool.ts";
import { queueMethods } from "./queue.ts";

const lock = acquiring((_, handle) => new LockGuard(handle), true);
const rlock = acquiring((...parts) => new RLockGuard(...parts), true);
const semaphore = acquiring((_, handle) => new LockGuard(handle), false);

/** The methods by the proxies' names. */
export const localMethods: ReadonlyMap<string, LocalMethods> = new Map(
  Object.entries({
    LockProxy: lock,
    RLockProxy: rlock,
    RWLockProxy: lock,
    SemaphoreProxy: semaphore,
    BoundedSemaphoreProxy: semaphore,
    ConditionProxy: conditionMethods,
    QueueProxy: queueMethods,
    LifoQueueProxy: queueMethods,
    PriorityQueueProxy: queueMethods,
    JoinableQueueProxy: queueMethods,
    PoolProxy: poolMethods,
  }),
);
