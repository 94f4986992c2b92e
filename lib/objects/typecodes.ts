/**
 * The table of typecodes: what a `value` or an `array` may hold, and in which range.
 *
 * Above: value and array. Below: `represent.ts`, for error texts.
 *
 * @module
 */

import { quoted } from "./represent.ts";

/** Typecodes whose values are numbers; the letters are Python's, `l` and `L` are 32 bits wide. */
export type NumberTypecode =
  | ("int8" | "uint8" | "int16" | "uint16" | "int32" | "uint32" | "float32" | "float64")
  | ("b" | "B" | "h" | "H" | "i" | "I" | "l" | "L" | "f" | "d");

/** Typecodes whose values are bigints of 64 bits; the letters are Python's. */
export type BigIntTypecode = "bigint64" | "biguint64" | "q" | "Q";

/** What the elements of an `array` may be. */
export type ArrayTypecode = NumberTypecode | BigIntTypecode;

/** What a `value` may be; `any` is anything that can be sent. */
export type Typecode = ArrayTypecode | "any";

/** The type of what a typecode but `any` stands for. */
export type ElementOf<C extends ArrayTypecode> = C extends BigIntTypecode ? bigint : number;

/** The typed arrays whose elements are of that type. */
export type TypedArrayOf<T extends number | bigint> = T extends bigint
  ? BigInt64Array | BigUint64Array
  :
    | Int8Array
    | Uint8Array
    | Int16Array
    | Uint16Array
    | Int32Array
    | Uint32Array
    | Float32Array
    | Float64Array;

/** A typed array of any kind that has a typecode, with what the union of them would not let us write. */
export interface AnyTypedArray extends ArrayLike<number | bigint>, Iterable<number | bigint> {
  /** The element at an index. */
  [index: number]: number | bigint;
  /** A copy of a range. */
  slice(start?: number, end?: number): AnyTypedArray;
  /** Replaces the elements from `offset` on. */
  set(values: ArrayLike<number | bigint>, offset?: number): void;
}

/** How the elements of one typecode are kept. */
export interface NumericType {
  /** The JavaScript name, such as `int32`. */
  readonly name: string;
  /** What its values are. */
  readonly kind: "integer" | "float" | "bigint";
  /** The least value; of floats the least finite one. */
  readonly min: number | bigint;
  /** The greatest value; of floats the greatest finite one. */
  readonly max: number | bigint;
  /** The typed array that holds such elements. */
  readonly Array: {
    new (length: number): AnyTypedArray;
    readonly BYTES_PER_ELEMENT: number;
  };
}

const maxFloat32 = 3.4028234663852886e38;

const numericTypes: readonly NumericType[] = [
  { name: "int8", kind: "integer", min: -(2 ** 7), max: 2 ** 7 - 1, Array: Int8Array },
  { name: "uint8", kind: "integer", min: 0, max: 2 ** 8 - 1, Array: Uint8Array },
  { name: "int16", kind: "integer", min: -(2 ** 15), max: 2 ** 15 - 1, Array: Int16Array },
  { name: "uint16", kind: "integer", min: 0, max: 2 ** 16 - 1, Array: Uint16Array },
  { name: "int32", kind: "integer", min: -(2 ** 31), max: 2 ** 31 - 1, Array: Int32Array },
  { name: "uint32", kind: "integer", min: 0, max: 2 ** 32 - 1, Array: Uint32Array },
  { name: "float32", kind: "float", min: -maxFloat32, max: maxFloat32, Array: Float32Array },
  {
    name: "float64",
    kind: "float",
    min: -Number.MAX_VALUE,
    max: Number.MAX_VALUE,
    Array: Float64Array,
  },
  {
    name: "bigint64",
    kind: "bigint",
    min: -(2n ** 63n),
    max: 2n ** 63n - 1n,
    Array: BigInt64Array as unknown as NumericType["Array"],
  },
  {
    name: "biguint64",
    kind: "bigint",
    min: 0n,
    max: 2n ** 64n - 1n,
    Array: BigUint64Array as unknown as NumericType["Array"],
  },
];

const aliases: Readonly<Record<string, string>> = {
  b: "int8",
  B: "uint8",
  h: "int16",
  H: "uint16",
  i: "int32",
  I: "uint32",
  l: "int32",
  L: "uint32",
  q: "bigint64",
  Q: "biguint64",
  f: "float32",
  d: "float64",
};

const byTypecode: ReadonlyMap<unknown, NumericType> = new Map([
  ...numericTypes.map((type) => [type.name, type] as const),
  ...Object.entries(aliases).map(([alias, name]) =>
    [alias, numericTypes.find((type) => type.name === name)!] as const
  ),
]);

/** What the typecode stands for; TypeError with the list of typecodes, and `others`, if it is none. */
export function numericType(typecode: unknown, what: string, ...others: string[]): NumericType {
  const type = byTypecode.get(typecode);
  if (type) return type;
  const known = [...byTypecode.keys(), ...others].join(", ");
  throw new TypeError(`${what} knows no typecode ${quoted(typecode)}: use one of ${known}`);
}

/**
 * The value as an element keeps it: of `float32` the nearest one. TypeError if it is of another kind
 * or NaN or a fraction where whole numbers are kept, RangeError if it is out of range.
 */
export function toElement(type: NumericType, value: unknown, what: string): number | bigint {
  const element = toOperand(type, value, what);
  const infinite = type.kind === "float" && !Number.isFinite(value);
  if (infinite || (element >= type.min && element <= type.max)) return element;
  throw new RangeError(
    `${what}: ${quoted(value)} is out of range for ${type.name}, ${type.min} to ${type.max}`,
  );
}

/** A value to add or to compare with: as {@linkcode toElement}, whatever its size. */
export function toOperand(type: NumericType, value: unknown, what: string): number | bigint {
  if (type.kind === "bigint") {
    if (typeof value === "bigint") return value;
    throw new TypeError(`${what}: ${type.name} needs a bigint such as 1n, got ${quoted(value)}`);
  }
  if (typeof value !== "number") {
    throw new TypeError(`${what}: ${type.name} needs a number, got ${quoted(value)}`);
  }
  if (type.kind === "float") return type.name === "float32" ? Math.fround(value) : value;
  if (Number.isInteger(value) || value === Infinity || value === -Infinity) return value + 0;
  throw new TypeError(`${what}: ${type.name} needs a whole number, got ${quoted(value)}`);
}

/** The sum as an element; a finite one that leaves the range is RangeError. */
export function addElements(
  type: NumericType,
  current: number | bigint,
  by: unknown,
  what: string,
): number | bigint {
  const operand = toOperand(type, by, what);
  // Both are of the kind that the type says; a float is rounded once, when it is stored.
  const total = (current as number) + (type.kind === "float" ? by as number : operand as number);
  if (type.kind === "float" && Number.isFinite(current) && Number.isFinite(operand)) {
    return finiteElement(type, total, what);
  }
  return toElement(type, total, what);
}

function finiteElement(type: NumericType, value: number, what: string): number {
  if (Math.abs(value) <= (type.max as number)) return toElement(type, value, what) as number;
  throw new RangeError(
    `${what}: the sum "${value}" is out of range for ${type.name}, ${type.min} to ${type.max}`,
  );
}
