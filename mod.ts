/**
 * Shared objects for the processes of one machine, or more: Python's `multiprocessing` managers and
 * proxies for Deno, Bun and Node. A manager starts a server process, which holds lists, dicts, queues,
 * locks and your own classes; any process uses them through typed async proxies.
 *
 * @example
 * ```ts
 * import { Manager, repr, str } from "@referent/manager";
 *
 * const manager = await Manager.start();
 * try {
 *   const list = await manager.list([1, 2]); // lives in the server process
 *   await list.push(3);
 *   console.log(await str(list), repr(list)); // [1, 2, 3] <ListProxy object, typeid 'list' at 0x1>
 * } finally {
 *   await manager.shutdown();
 * }
 * ```
 *
 * @module
 */

export { Manager, type ManagerConstructor, type ManagerOf } from "./lib/manager.ts";
export type { Closed, JoinOptions, ManagerMembers, PublishOptions } from "./lib/manager/facade.ts";
export type { Server } from "./lib/manager/serve.ts";
export type {
  AddressOptions,
  ClientSideOptions,
  CommonOptions,
  ConnectOptions,
  HostOptions,
  LocalOptions,
  OpenOptions,
  ServeOptions,
  StartOptions,
  TypesOption,
} from "./lib/manager/options.ts";
export type { Limits } from "./lib/limits.ts";
export type { PoolProxy, SharedMapOptions, SharedPoolOptions } from "./lib/process/pool_proxy.ts";
export type { TaskOptions } from "./lib/process/pool_options.ts";
export type { RuntimeOptions, ServerStdio } from "./lib/process/spawn.ts";
export type { ActorClass, Task, TaskFunction, TaskSet } from "./lib/process/tasks.ts";
export type { RuntimeName } from "./lib/runtime.ts";
export type { TlsOptions } from "./lib/wire/transport.ts";
export type { DebugInfo, GrantInfo, ObjectInfo } from "./lib/server/control.ts";
export type { Initializer } from "./lib/server/config.ts";
export type { MethodStatistics } from "./lib/server/registry.ts";
export type { CallInfo } from "./lib/server/session.ts";
export type { Ended } from "./lib/client/options.ts";

export {
  callMethod,
  type CallOptions,
  type ExportOptions,
  exportProxy,
  getValue,
  isProxy,
  releaseProxy,
  repr,
  str,
  type Token,
  tokenOf,
  withOptions,
} from "./lib/proxy.ts";
export {
  type Callable,
  defineTypes,
  type Definitions,
  type ErrorClass,
  type NeverExposed,
  type Referent,
  type ReservedName,
  type Typeid,
  typeid,
  type TypeidOptions,
  type TypeSet,
} from "./lib/types.ts";
export type {
  BuiltinCreators,
  Caller,
  Creators,
  PublicName,
  Remote,
  RemoteIterable,
  RemoteIterator,
  RemoteMethods,
  RemoteOf,
  TypesOf,
} from "./lib/remote.ts";
export type { ArrayProxy } from "./lib/objects/array.ts";
export type { BarrierOptions, BarrierProxy } from "./lib/objects/barrier.ts";
export type { ConditionGuard, ConditionProxy } from "./lib/objects/condition.ts";
export type { CountDownLatchProxy } from "./lib/objects/count_down_latch.ts";
export type { Key } from "./lib/objects/data.ts";
export type { DictProxy } from "./lib/objects/dict.ts";
export type { EventProxy } from "./lib/objects/event.ts";
export type { Suspect } from "./lib/objects/ledger.ts";
export type { ListProxy, SortOptions } from "./lib/objects/list.ts";
export type {
  AcquireOptions,
  Guard,
  GuardLike,
  GuardOptions,
  LockProxy,
  ReleaseOptions,
  TryAcquireOptions,
} from "./lib/objects/lock.ts";
export type { NamespaceMethods, NamespaceProxy } from "./lib/objects/namespace.ts";
export type { Items, ProxyBase } from "./lib/objects/proxy_base.ts";
export type {
  ConsumeOptions,
  DeadItem,
  GetOptions,
  JoinableQueueProxy,
  Lease,
  LifoQueueProxy,
  NackOptions,
  PriorityOptions,
  PriorityQueueProxy,
  QueueMethods,
  QueueOptions,
  QueueProxy,
} from "./lib/objects/queue_proxy.ts";
export type { RateLimit, RateLimiterProxy } from "./lib/objects/rate_limiter.ts";
export type { ReentrantGuard, RLockProxy } from "./lib/objects/rlock.ts";
export type { RWLockOptions, RWLockProxy } from "./lib/objects/rw_lock.ts";
export type {
  BoundedSemaphoreProxy,
  SemaphoreOptions,
  SemaphoreProxy,
} from "./lib/objects/semaphore.ts";
export type { SetProxy } from "./lib/objects/set.ts";
export type {
  ArrayTypecode,
  BigIntTypecode,
  ElementOf,
  NumberTypecode,
  Typecode,
  TypedArrayOf,
} from "./lib/objects/typecodes.ts";
export type { ValueProxy } from "./lib/objects/value.ts";
export type { WaitOptions } from "./lib/objects/waiting.ts";

export {
  json,
  messagePack,
  type PlainCodec,
  type PlainData,
  plainSerializer,
  type References,
  type Serializer,
} from "./lib/wire/serializer.ts";

export {
  AuthenticationError,
  BrokenBarrierError,
  ConnectionClosedError,
  DeadlockError,
  type ErrorOptions,
  LeaseLostError,
  LimitExceededError,
  ManagerError,
  NameTakenError,
  NotExposedError,
  NotOwnerError,
  ProcessError,
  ProtocolError,
  QueueEmptyError,
  QueueFullError,
  QueueShutDownError,
  ReleasedError,
  RemoteError,
  type RemoteErrorOptions,
  SerializeError,
  TimeoutError,
  UnknownObjectError,
  WorkerLostError,
} from "./lib/errors.ts";
