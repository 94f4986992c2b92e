/**
 * Calls that wait for their reply: their timeouts and signals, and who decides how they end.
 *
 * Of most calls the client decides: it rejects at once and the server is told that nobody waits any
 * more. Of a call that waits for another caller the server decides: what it granted before the
 * cancel arrived is still delivered, and only a silent server is given up.
 *
 * Above: client.ts. Below: protocol.ts.
 *
 * @module
 */

import { clearTimeout, setTimeout } from "node:timers";
import { LimitExceededError, ManagerError, TimeoutError } from "../errors.ts";
import type { ExceptionSource } from "../exceptions.ts";
import { maxTimeout } from "../limits.ts";
import type { CallOptions } from "../call_options.ts";
import { Target } from "../wire/protocol.ts";

/** What is called, where, and how it is named in messages. */
export interface Callee extends ExceptionSource {
  readonly target: number;
  readonly id: number;
  readonly index: number;
  /** Position of the argument that holds the options of a call that waits for another caller. */
  readonly waitOptions?: number;
  /** What the caller asked for; an iterator's requests for items keep to it, too. */
  readonly options?: CallOptions;
  /** Where the user's arguments stand in those of the call: a path such as `[1]`; absent: they are it. */
  readonly argumentsAt?: string;
}

/** How long one call may take, and what ends it early. */
export interface CallLimits {
  /** Milliseconds. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** One call that waits for its reply. */
export interface PendingCall {
  readonly callee: Callee;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds that it may take. */
  readonly timeout: number | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
  onAbort: (() => void) | undefined;
  /** The server said that the answer comes when it can. */
  settling: boolean;
}

/** A wait that was given up, whose result may still come; its object is held until then. */
export interface AbandonedWait {
  readonly callee: Callee;
  letGo(): void;
}

/** After an abort or a timeout the server has this long to say how a wait ended, in milliseconds. */
const defaultVerdictTimeout = 5_000;

/** The calls of one client that wait for their reply. */
export class PendingCalls {
  readonly #calls = new Map<number, PendingCall>();
  /** Waits that were given up before the server said how they ended, which it still will. */
  readonly #abandoned = new Map<number, AbandonedWait>();
  readonly #cancel: (id: number) => void;
  readonly #keep: (objectId: number) => () => void;
  readonly #busyChanged: () => void;
  readonly #verdictTimeout: number;
  /** The clocks run. */
  #begun = false;

  /**
   * `cancel` tells the server that nobody waits for a call any more; `keep` holds an object until what
   * it returns is called; `busyChanged` is called when the first call is added and when the last one
   * is taken out. `verdictTimeout` is how long the server has to say how a wait ended, in milliseconds.
   */
  constructor(
    cancel: (id: number) => void,
    keep: (objectId: number) => () => void,
    busyChanged: () => void,
    verdictTimeout: number = defaultVerdictTimeout,
  ) {
    this.#verdictTimeout = verdictTimeout;
    this.#cancel = cancel;
    this.#keep = keep;
    this.#busyChanged = busyChanged;
  }

  /** How many there are. */
  get size(): number {
    return this.#calls.size;
  }

  /** The server can be called: what was called before has its time from now on. */
  begin(): void {
    this.#begun = true;
    for (const [id, call] of this.#calls) this.#limitTime(id, call);
  }

  /** Waits for the reply to the call `id`. */
  add(id: number, callee: Callee, { timeout, signal }: CallLimits): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call: PendingCall = {
        callee,
        resolve,
        reject,
        signal,
        timeout,
        timer: undefined,
        onAbort: undefined,
        settling: false,
      };
      this.#calls.set(id, call);
      if (this.#calls.size === 1) this.#busyChanged();
      if (this.#begun) this.#limitTime(id, call);
      if (signal) this.#listen(id, call, signal);
    });
  }

  /** Takes a call out, to settle it; undefined if nobody waits for it any more. */
  take(id: number): PendingCall | undefined {
    const call = this.#calls.get(id);
    if (!call) return undefined;
    this.#calls.delete(id);
    if (this.#calls.size === 0) this.#busyChanged();
    if (call.timer) clearTimeout(call.timer);
    if (call.onAbort) call.signal!.removeEventListener("abort", call.onAbort);
    return call;
  }

  /** The server is not silent: the call's answer comes when it can. */
  settling(id: number): void {
    const call = this.#calls.get(id);
    if (!call) return;
    call.settling = true;
    clearTimeout(call.timer);
  }

  /** Takes out what was called by a wait that was given up; undefined if it was no such call. */
  takeAbandoned(id: number): AbandonedWait | undefined {
    const wait = this.#abandoned.get(id);
    this.#abandoned.delete(id);
    return wait;
  }

  /** Takes all calls out, in the order in which they were issued. */
  takeAll(): PendingCall[] {
    this.#abandoned.clear();
    return [...this.#calls.keys()].map((id) => this.take(id)!);
  }

  #limitTime(id: number, call: PendingCall): void {
    const { timeout } = call;
    if (timeout === undefined) return;
    const expire = () => {
      this.#abandon(
        id,
        new TimeoutError(`${nameOf(call.callee)} did not finish in ${timeout} ms`),
      );
    };
    const delay = call.callee.waitOptions === undefined ? timeout : timeout + this.#verdictTimeout;
    call.timer = setTimeout(expire, Math.min(delay, maxTimeout));
  }

  #listen(id: number, call: PendingCall, signal: AbortSignal): void {
    call.onAbort = () => {
      if (call.callee.waitOptions === undefined) return this.#abandon(id, signal.reason);
      this.#cancel(id);
      if (call.settling) return;
      clearTimeout(call.timer);
      call.timer = setTimeout(() => this.#abandon(id, signal.reason), this.#verdictTimeout);
    };
    signal.addEventListener("abort", call.onAbort, { once: true });
  }

  /** Rejects at once; what still comes is given back. */
  #abandon(id: number, reason: unknown): void {
    const call = this.take(id);
    if (!call) return;
    const { callee } = call;
    if (callee.waitOptions !== undefined) {
      this.#abandoned.set(id, { callee, letGo: this.#keep(callee.id) });
    }
    this.#cancel(id);
    call.reject(reason);
  }
}

/** What is called, for messages; the server's own methods belong to no typeid. */
export function nameOf({ target, method, typeid }: Callee): string {
  return target === Target.Server ? `"${method}"` : `"${method}" on typeid "${typeid}"`;
}

/** What is said of arguments that the server does not take. */
export function tooLong(callee: Callee, size: string, maxBytes: number): LimitExceededError {
  return new LimitExceededError(
    `Cannot call ${
      nameOf(callee)
    }: its arguments are ${size}, the server takes ${maxBytes} (limit maxMessageBytes): send less at once or raise the limit`,
  );
}

/** The milliseconds of a limit; undefined for none. */
export function timeoutOf(timeout: number | undefined): number | undefined {
  if (timeout === undefined || timeout === Infinity) return undefined;
  return Math.min(Math.ceil(timeout), maxTimeout);
}

/** What a call rejects with that the server cancelled. */
export function cancelReason({ signal, callee }: PendingCall): unknown {
  if (signal?.aborted) return signal.reason;
  return new ManagerError(
    `${nameOf(callee)} was cancelled by the server`,
  );
}
