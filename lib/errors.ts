/**
 * The error tree: every failure that this library reports is one of these classes, or a
 * `TypeError` or `RangeError` where the caller misused the API.
 *
 * Above: everything. Below: nothing.
 *
 * @module
 */

/** What failed underneath, as in `new Error(message, { cause })`. */
export interface ErrorOptions {
  /** The value that was thrown underneath. */
  cause?: unknown;
}

/** The root of the tree: `error instanceof ManagerError` is true of every failure of this library. */
export class ManagerError extends Error {
  static {
    this.prototype.name = "ManagerError";
  }
  /** Makes the error; `options.cause` is kept. */
  constructor(message?: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The connection to the server is closed or was lost; `cause` is the reason. */
export class ConnectionClosedError extends ManagerError {
  static {
    this.prototype.name = "ConnectionClosedError";
  }
}

/** The two sides do not share the same authkey. Python: `AuthenticationError`. */
export class AuthenticationError extends ManagerError {
  static {
    this.prototype.name = "AuthenticationError";
  }
}

/** The peer sent something that the protocol does not allow, or speaks another version of it. */
export class ProtocolError extends ManagerError {
  static {
    this.prototype.name = "ProtocolError";
  }
}

/** A value cannot be sent; the message names its path, such as `args[0].user.avatar`. */
export class SerializeError extends ManagerError {
  static {
    this.prototype.name = "SerializeError";
  }
}

/** A limit was reached; the message names the limit, its value and the cure. */
export class LimitExceededError extends ManagerError {
  static {
    this.prototype.name = "LimitExceededError";
  }
}

/** A child process did not start or ended badly; the message ends with what it wrote to stderr. */
export class ProcessError extends ManagerError {
  static {
    this.prototype.name = "ProcessError";
  }
  /** The child's exit code, or null if it was ended by a signal or never ran. */
  exitCode: number | null = null;
  /** The signal that ended the child, or null. */
  exitSignal: string | null = null;
  /** The end of what the child wrote to stderr. */
  stderr = "";
}

/** A wait was longer than its `timeout`. Python: `multiprocessing.TimeoutError`. */
export class TimeoutError extends ManagerError {
  static {
    this.prototype.name = "TimeoutError";
  }
}

/** Nothing could be taken from a queue in time. Python: `queue.Empty`. */
export class QueueEmptyError extends TimeoutError {
  static {
    this.prototype.name = "QueueEmptyError";
  }
}

/** Nothing could be put into a queue in time. Python: `queue.Full`. */
export class QueueFullError extends TimeoutError {
  static {
    this.prototype.name = "QueueFullError";
  }
}

/** What a {@linkcode RemoteError} knows of the exception in the server. */
export interface RemoteErrorOptions extends ErrorOptions {
  /** The name of the exception in the server. */
  remoteName?: string;
  /** Its stack in the server. */
  remoteStack?: string;
  /** The typeid of the referent that threw. */
  typeid?: string;
  /** The method that threw. */
  method?: string;
}

/**
 * A referent threw something that has no class on this side. Its own data properties are copied
 * onto this error. Python: `RemoteError`.
 */
export class RemoteError extends ManagerError {
  static {
    this.prototype.name = "RemoteError";
  }
  /** The name of the exception in the server. */
  remoteName: string;
  /** Its stack in the server, or an empty string. */
  remoteStack: string;
  /** The typeid of the referent that threw. */
  typeid: string;
  /** The method that threw. */
  method: string;
  /** Makes the error from what the server told of the exception. */
  constructor(message?: string, options: RemoteErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.remoteName = options.remoteName ?? "Error";
    this.remoteStack = options.remoteStack ?? "";
    this.typeid = options.typeid ?? "";
    this.method = options.method ?? "";
  }
}

/** The method exists perhaps, but is not exposed by the typeid. */
export class NotExposedError extends ManagerError {
  static {
    this.prototype.name = "NotExposedError";
  }
}

/** The server has no such object, name, ticket or typeid, or this session does not hold it. */
export class UnknownObjectError extends ManagerError {
  static {
    this.prototype.name = "UnknownObjectError";
  }
}

/** The proxy was given back with `releaseProxy` and cannot be used any more. */
export class ReleasedError extends ManagerError {
  static {
    this.prototype.name = "ReleasedError";
  }
}

/** The queue was shut down. Python: `queue.ShutDown`. */
export class QueueShutDownError extends ManagerError {
  static {
    this.prototype.name = "QueueShutDownError";
  }
}

/** The barrier is broken. Python: `threading.BrokenBarrierError`. */
export class BrokenBarrierError extends ManagerError {
  static {
    this.prototype.name = "BrokenBarrierError";
  }
}

/** The caller does not own the lock that it acts on, or its grant was taken from it. */
export class NotOwnerError extends ManagerError {
  static {
    this.prototype.name = "NotOwnerError";
  }
}

/** The lease is over: its item was acknowledged, given back or leased to another. */
export class LeaseLostError extends ManagerError {
  static {
    this.prototype.name = "LeaseLostError";
  }
}

/** Another object has the name already. */
export class NameTakenError extends ManagerError {
  static {
    this.prototype.name = "NameTakenError";
  }
}

/** Going on would wait for ever: the caller waits for itself, directly or in a circle. */
export class DeadlockError extends ManagerError {
  static {
    this.prototype.name = "DeadlockError";
  }
}

/** The worker that ran the task died; the message ends with what it wrote to stderr. */
export class WorkerLostError extends ManagerError {
  static {
    this.prototype.name = "WorkerLostError";
  }
  /** The worker's exit code, or null if it was ended by a signal. */
  exitCode: number | null = null;
  /** The signal that ended the worker, or null. */
  exitSignal: string | null = null;
  /** The end of what the worker wrote to stderr. */
  stderr = "";
}

/** The classes by name, for those who rebuild an error that was sent. */
export const managerErrors: ReadonlyMap<string, typeof ManagerError> = new Map(
  [
    ManagerError,
    ConnectionClosedError,
    AuthenticationError,
    ProtocolError,
    SerializeError,
    LimitExceededError,
    ProcessError,
    TimeoutError,
    QueueEmptyError,
    QueueFullError,
    RemoteError,
    NotExposedError,
    UnknownObjectError,
    ReleasedError,
    QueueShutDownError,
    BrokenBarrierError,
    NotOwnerError,
    LeaseLostError,
    NameTakenError,
    DeadlockError,
    WorkerLostError,
  ].map((Class) => [Class.prototype.name, Class as typeof ManagerError]),
);
