/**
 * What the server must know of a typeid, built-in or a user's: how to make a referent, what of it
 * is exposed, and the few things that a plain class cannot say about itself.
 *
 * Above: the server, `types.ts` and the table of built-ins. Below: nothing.
 *
 * @module
 */

/** How one typeid behaves. */
export interface Definition {
  /** Makes the referent from the arguments of the creation method. May be async; a result that is no object is refused. */
  readonly create: (...args: unknown[]) => unknown;
  /** The class of the referents where it is known beforehand: its method table is announced with the typeid. */
  readonly class?: abstract new (...args: never[]) => object;
  /** The exposed methods; absent: those that the referent itself shows. */
  readonly exposed?: readonly string[];
  /** Methods whose result is shared under another typeid instead of copied. */
  readonly methodToTypeid?: Readonly<Record<string, string>>;
  /** One call after the other, also across `await`. */
  readonly serial?: boolean;
  /** Methods receive a `Caller` as their last argument. */
  readonly caller?: boolean | readonly string[];
  /** How many items of an iterator travel in one reply. */
  readonly readAhead?: number;

  /** What `repr` prints, such as `ListProxy`; absent for users' typeids: `AutoProxy[typeid]`. Only built-ins have what follows. */
  readonly proxyName?: string;
  /** Unknown names of the proxy are attributes of the referent (namespace). */
  readonly attributes?: boolean;
  /** The copy that `getValue` gives. */
  readonly value?: (referent: never) => unknown;
  /** The text that `str` gives. */
  readonly text?: (referent: never, represent: (value: unknown) => string) => string;
  /** Where a proxy argument stands for what its referent iterates over: method, or `create`, to positions. */
  readonly iterables?: Readonly<Record<string, readonly number[] | "all">>;
  /** Where a proxy argument stands for its referent itself: method, or `create`, to positions. */
  readonly referents?: Readonly<Record<string, readonly number[]>>;
  /** Methods that may wait for another caller - the server decides timeout and abort -, to the position of their `{ timeout, signal }`; they get the caller as their last argument, too. */
  readonly waits?: Readonly<Record<string, number>>;
  /** Methods that can be bound to a grant, to the position of their `{ guard }`; they are refused unless that is current. */
  readonly guarded?: Readonly<Record<string, number>>;
  /** Takes back what a method that waits gave when nobody waited any more. */
  readonly takeBack?: (referent: never, method: string, result: unknown) => void;
  /** No session and no ticket or name has the referent any more. */
  readonly unheld?: (referent: never) => void;
  /** What `debugInfo()` tells of a referent: data. */
  readonly describe?: (referent: never) => unknown;
}
