/**
 * What the hand-written proxy interfaces of the built-in typeids have in common.
 *
 * Above: every `...Proxy` interface beside its referent. Below: nothing.
 *
 * @module
 */

/** What every proxy can do, whatever its typeid. */
export interface ProxyBase {
  /**
   * Gives back one receipt of the object, as `releaseProxy(proxy)` does; with nothing held it is a
   * no-op. It runs at the end of a `using` block. Python: the decref of a deleted proxy.
   */
  [Symbol.dispose](): void;
}

/**
 * What a parameter that takes an iterable accepts: anything iterable that can be sent, or a proxy
 * of the same server that can be iterated over, which the server reads in one step.
 */
export type Items<T> = Iterable<T> | (ProxyBase & AsyncIterable<T>);
