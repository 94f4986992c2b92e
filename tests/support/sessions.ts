/**
 * Several sessions with one server in memory that share objects, for tests of what they have to do
 * with each other. A test that hangs fails instead.
 *
 * Above: tests. Below: events.ts.
 *
 * @module
 */
import { type BuiltinCreators, Manager } from "../../mod.ts";
import { eventually } from "./events.ts";

type LocalOptions = Parameters<typeof Manager.local>[0];

/** As long as no test takes, in milliseconds. */
const patience = 20_000;

/**
 * Runs the body with so many sessions of one server, which calls them "s1", "s2" and so on; all are
 * closed at the end.
 */
export async function withSessions(
  count: number,
  body: (...managers: Manager[]) => Promise<void>,
  options?: LocalOptions,
): Promise<void> {
  const first = await Manager.local(options);
  const managers = [first as Manager];
  while (managers.length < count) {
    const { address } = first;
    managers.push(await Manager.connect({ address, serializer: options?.serializer }));
  }
  try {
    await settled(body(...managers));
  } finally {
    await first.shutdown();
    for (const manager of managers) await manager.closed;
  }
}

/** What the promise gives; rejects if it takes longer than any test. Keeps the process alive. */
export async function settled<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hanging = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not over in ${patience} ms: it hangs`)), patience);
  });
  try {
    return await Promise.race([promise, hanging]);
  } finally {
    clearTimeout(timer);
  }
}

/** A promise that resolves when somebody says so. */
export function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => resolve = settle);
  return { promise, resolve };
}

/** One new object, as a proxy of each session: `share(managers, (create) => create.lock())`. */
export async function share<P>(
  managers: readonly Manager[],
  make: (create: BuiltinCreators, session: number) => Promise<P>,
): Promise<P[]> {
  const name = crypto.randomUUID();
  const proxies: P[] = [];
  for (const [i, manager] of managers.entries()) proxies.push(await make(manager.named(name), i));
  return proxies;
}

/** Resolves once so many calls wait in the server, of all sessions together. */
export async function waiting(manager: Manager, count: number): Promise<void> {
  await eventually(`${count} calls wait`, async () => {
    const { objects } = await manager.debugInfo();
    return objects.reduce((sum, { waiters }) => sum + waiters.length, 0) === count;
  });
}
