/**
 * Values to bytes and back: what a serializer promises, and those that are built in.
 *
 * Above: client and server, who give the {@linkcode References}. Below: `messagepack.ts` and
 * `plain.ts`, both over the walk in `lowering.ts`.
 *
 * @module
 */

export { messagePack } from "./messagepack.ts";
export { json, type PlainCodec, type PlainData, plainSerializer } from "./plain.ts";
export { type Located, notSerializable, withRoot } from "./refusals.ts";

/** How a serializer meets proxies without knowing clients or servers. */
export interface References {
  /**
   * Index of the reference in the message's header if `value` is a proxy, else undefined. It is
   * asked once for each occurrence. Throws SerializeError for a proxy that cannot go into this
   * message; the serializer adds the path.
   */
  indexOf(value: object): number | undefined;
  /** The proxy for the index; throws ProtocolError if there is none. */
  at(index: number): object;
  /** How deep containers may be nested in each other; 128 unless given. */
  readonly maxDepth?: number;
}

/**
 * Turns values into bytes and back. What arrives is a copy with the same structure:
 *
 * - null, undefined, booleans, numbers (with `-0`, NaN and infinities), bigints of any size,
 *   strings without lone surrogates, Date, Map, Set, ArrayBuffer, DataView, typed arrays,
 *   arrays, plain objects with any key, and proxies, anywhere in these.
 * - Errors keep class (if built in, else its nearest built-in class), name, message, stack, cause
 *   and own enumerable properties.
 * - Holes of a sparse array become undefined. A getter of an object is read, once. Keys that are
 *   symbols, properties of arrays besides their elements, and what is not enumerable are left out,
 *   as JSON does. A subclass of Array, Map, Set, Date or a typed array (such as `Buffer`) arrives as its
 *   built-in class, an object without prototype as a plain one, as with `structuredClone`. What
 *   occurs twice arrives as two copies.
 * - Anything else (functions, symbols, cycles, class instances, RegExp, Promise, ...) is refused
 *   with a `SerializeError` that has the path, such as `[0].user.avatar`.
 *
 * One of your own must keep the same promises; `plainSerializer` makes one of any codec of plain
 * data.
 */
export interface Serializer {
  /** What both sides announce; they must agree. 1 to 64 characters. */
  readonly name: string;
  /**
   * Encodes the value. **The bytes are valid until the next call of `encode`**: they may be a view
   * of a buffer that is used again.
   *
   * Throws SerializeError (with a path) for what cannot be sent, and LimitExceededError for what is
   * nested too deep or too large; nothing else, but what the references throw.
   */
  encode(value: unknown, references: References): Uint8Array;
  /**
   * Decodes the whole of `bytes`. The value never refers to them afterwards. Throws ProtocolError,
   * with a cause where there is one, for whatever is malformed.
   */
  decode(bytes: Uint8Array, references: References): unknown;
}
