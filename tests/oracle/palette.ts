/**
 * Random values for random programs. All values of a program come from one palette, so that what is
 * looked for is often there, and `True` and `1`, which Python does not tell apart, do not meet.
 *
 * Above: programs.ts. Below: fast-check.
 *
 * @module
 */
import type { Arbitrary } from "../../tools/node_modules/fast-check/lib/fast-check.d.ts";
import { fc } from "../support/fast_check.ts";
import { type Said, same } from "./values.ts";

/** What the values of a program are like. */
export const flavours = ["numbers", "strings", "anything", "booleans"] as const;

/** One of them. */
export type Flavour = typeof flavours[number];

/** Random values of one program. */
export interface Palette {
  /** A key of a dict, a member of a set. */
  readonly key: Arbitrary<Said>;
  /** A value that may be compared with others. */
  readonly comparable: Arbitrary<Said>;
  /** Any value: also NaN, and proxies of the program's objects. */
  readonly value: Arbitrary<Said>;
  /** What an index may be by mistake. */
  readonly badIndex: Arbitrary<Said>;
}

/** The palette of a program with so many objects. */
export function paletteOf(flavour: Flavour, objects: number): Palette {
  const key = keys[flavour];
  const { tree: comparable } = trees(key);
  const zero = flavour === "booleans" ? [] : ["-0.0"];
  const odd = fc.constantFrom<Said>(...["nan", "inf", "-inf", ...zero].map((float) => ({ float })));
  const proxies = Array.from({ length: objects }, (_, proxy) => fc.constant<Said>({ proxy }));
  const { tree } = trees(
    fc.oneof(weighted(8, key), weighted(1, fc.oneof(odd, ...proxies, ...proxies))),
  );
  const value = flavour === "anything" || flavour === "booleans"
    ? tree
    : fc.oneof(weighted(20, comparable), weighted(1, tree));
  return { key, comparable, value, badIndex: fc.constantFrom<Said>("a", 0.5, null) };
}

/** An entry of `fc.oneof`. */
export function weighted<T>(weight: number, arbitrary: Arbitrary<T>): {
  weight: number;
  arbitrary: Arbitrary<T>;
} {
  return { weight, arbitrary };
}

/** A dict with no key twice. */
export function dictOf(key: Arbitrary<Said>, value: Arbitrary<Said>): Arbitrary<Said> {
  return entriesOf(key, value).map((dict): Said => ({ dict }));
}

/** Entries with no key twice. */
export function entriesOf(
  key: Arbitrary<Said>,
  value: Arbitrary<Said>,
): Arbitrary<[Said, Said][]> {
  const selector = ([name]: [Said, Said]) => JSON.stringify(name);
  return fc.uniqueArray(fc.tuple(key, value), { maxLength: 4, selector });
}

/** Some members, each once. */
export function membersOf(key: Arbitrary<Said>, maxLength = 5): Arbitrary<Said[]> {
  return fc.uniqueArray(key, { maxLength, comparator: same });
}

/** A whole number that is a small index, or somewhat beyond one. */
export const index: Arbitrary<number> = fc.integer({ min: -7, max: 8 });

/** A place in a list, counted from its beginning. */
export const place: Arbitrary<number> = fc.nat({ max: 7 });

/** An end of a slice. */
export const end: Arbitrary<number | null> = fc.option(index, { freq: 4 });

/** Characters that Python writes in all its ways. */
const characters = [
  ...["a", "b", "Z", "0", " ", "'", '"', "\\", "\n", "\t", "\r", "\0", "\x7f", "\xa0", "\xad"],
  ...["é", "\u0301", "\u200b", "\u2028", "\uE000", "\uFF5E", "日", "\u{1F600}", "\u{10FFFF}"],
];

const text = fc.oneof(
  weighted(
    3,
    fc.constantFrom("", "a", "b", "x", "hello", "it's", "10", "__proto__", "constructor"),
  ),
  weighted(1, fc.string({ unit: fc.constantFrom(...characters), maxLength: 4 })),
);

const small = fc.integer({ min: 2, max: 6 });
const smallOrBit = fc.integer({ min: -1, max: 4 });
const fraction = fc.oneof(
  weighted(3, fc.constantFrom(0.5, -2.25, 0.1, 1e-5, 1.5e300)),
  weighted(1, fc.double({ noDefaultInfinity: true, noNaN: true, noInteger: true })),
);
const wholeFloat = fc.constantFrom<Said>(
  ...["2.0", "3.0", "-7.0", "1e16", "1e22"].map((float) => ({ float })),
);
const large = fc.constantFrom<Said>(
  ...[2 ** 31, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  ...["9007199254740993", "-36893488147419103233"].map((int) => ({ int })),
);

function numbersWith(whole: Arbitrary<number>): Arbitrary<Said> {
  return fc.oneof(
    weighted(6, whole),
    weighted(2, fraction),
    weighted(1, wholeFloat),
    weighted(1, large),
  );
}

function mixedWith(rest: Arbitrary<Said>): Arbitrary<Said> {
  return fc.oneof(weighted(3, rest), weighted(3, text), weighted(1, fc.constant(null)));
}

const keys: Readonly<Record<Flavour, Arbitrary<Said>>> = {
  numbers: numbersWith(smallOrBit),
  strings: text,
  anything: mixedWith(numbersWith(smallOrBit)),
  booleans: mixedWith(fc.oneof(fc.boolean(), numbersWith(small))),
};

/** Values that have the leaf somewhere inside, or are one. */
function trees(leaf: Arbitrary<Said>): { tree: Arbitrary<Said> } {
  return fc.letrec<{ tree: Said }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 2, depthSize: "small" },
      weighted(12, leaf),
      weighted(2, fc.array(tie("tree"), { maxLength: 3 })),
      weighted(1, dictOf(text, tie("tree"))),
      weighted(1, membersOf(text, 1).map((set): Said => ({ set }))),
    ),
  }));
}
