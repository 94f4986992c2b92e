/**
 * A call that a session started: what is known of it until it is answered, and what its method may
 * ask of its caller.
 *
 * Above: session.ts. Below: invocation.ts, registry.ts.
 *
 * @module
 */

import { type Call, firstMethod } from "../wire/protocol.ts";
import type { CallerContext, CallSource } from "./invocation.ts";
import type { LocalOwner } from "./local.ts";
import type { Entry } from "./registry.ts";

/** Who made a call. */
export interface CallOrigin {
  /** The session. */
  readonly id: string;
  /** Whether it, or the server, is over. */
  gone(): boolean;
  /** Tells it that the call waits no more, although its answer is still to come. */
  settling(call: number): void;
}

/** One call. It does not keep the message that brought it. */
export class RunningCall implements CallSource {
  readonly id: number;
  /** What the call asks for, by number. */
  readonly target: number;
  readonly targetId: number;
  readonly method: number;
  /** Keeps the referent alive. */
  readonly entry: Entry | undefined;
  readonly waits: boolean;
  readonly builtin: boolean;
  /** Milliseconds, on the clock of `performance.now()`. */
  readonly start: number = performance.now();
  /** Made when the method asks for its caller's signal. */
  controller: AbortController | undefined = undefined;
  /** Why nobody waits for the call any more. */
  cancelled: Error | undefined = undefined;
  readonly #origin: CallOrigin;
  readonly #timeout: number | undefined;
  readonly #bytes: number;
  readonly #owner: LocalOwner;

  /** `entry` is the object that is called, `origin` the session that calls. */
  constructor(call: Call, entry: Entry | undefined, origin: CallOrigin, owner: LocalOwner) {
    this.id = call.id;
    this.target = call.target;
    this.targetId = call.targetId;
    this.method = call.method;
    this.entry = entry;
    this.waits = entry !== undefined && owner.invoker.waits(entry, call.method);
    this.builtin = entry?.definition.proxyName !== undefined;
    this.#origin = origin;
    this.#timeout = call.timeout;
    this.#bytes = call.payload.length;
    this.#owner = owner;
  }

  /** The name of the method of an object; else empty. */
  get name(): string {
    return this.entry?.table.methods[this.method - firstMethod]?.name ?? "";
  }

  get caller(): CallerContext {
    const signal = () => this.#signal();
    const { registry, clock, ledger } = this.#owner;
    const origin = this.#origin;
    return {
      id: origin.id,
      timeout: this.#timeout,
      bytes: this.#bytes,
      clock,
      ledger,
      get signal() {
        return signal();
      },
      gone: () => origin.gone(),
      settling: () => origin.settling(this.id),
      share: (object, typeid) => registry.share(object, typeid).proxy as never,
    };
  }

  #signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.cancelled) this.controller.abort(this.cancelled);
    }
    return this.controller.signal;
  }
}
