/**
 * A call that a session started: what is known of it until it is answered, and what its method may
 * ask of its caller.
 *
 * Above: session.ts. Below: invocation.ts, registry.ts.
 *
 * @module
 */

import type { Call } from "../wire/protocol.ts";
import type { CallerContext, CallSource } from "./invocation.ts";
import type { LocalOwner } from "./local.ts";
import type { Entry, Registry } from "./registry.ts";

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
  /** Made when the method asks for its caller's signal. */
  controller: AbortController | undefined = undefined;
  /** Why nobody waits for the call any more. */
  cancelled: Error | undefined = undefined;
  readonly #session: string;
  readonly #timeout: number | undefined;
  readonly #registry: Registry;

  /** `entry` is the object that is called, `session` the id of the one that calls. */
  constructor(call: Call, entry: Entry | undefined, session: string, owner: LocalOwner) {
    this.id = call.id;
    this.target = call.target;
    this.targetId = call.targetId;
    this.method = call.method;
    this.entry = entry;
    this.waits = entry !== undefined && owner.invoker.waits(entry, call.method);
    this.builtin = entry?.definition.proxyName !== undefined;
    this.#session = session;
    this.#timeout = call.timeout;
    this.#registry = owner.registry;
  }

  get caller(): CallerContext {
    const signal = () => this.#signal();
    const registry = this.#registry;
    return {
      id: this.#session,
      timeout: this.#timeout,
      get signal() {
        return signal();
      },
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
