/**
 * Random programs: objects of some typeids and steps on them, which Python and this library can both
 * do. Nothing in them waits, and nothing is in them that `not_asked.ts` names.
 *
 * Above: oracle_test.ts. Below: palette.ts.
 *
 * @module
 */
import type { Arbitrary } from "../../tools/node_modules/fast-check/lib/fast-check.d.ts";
import { fc } from "../support/fast_check.ts";
import {
  dictOf,
  end,
  entriesOf,
  type Flavour,
  flavours,
  index,
  membersOf,
  type Palette,
  paletteOf,
  place,
  weighted,
} from "./palette.ts";
import { hasText, type Program, type Said, type Step, type Typeid } from "./values.ts";

/** How objects of a typeid are made and used. */
interface Kind {
  /** The arguments of its creation; steps may depend on them. */
  readonly args: (palette: Palette) => Arbitrary<readonly Said[]>;
  /** What may be done with object `own`. */
  readonly does: (palette: Palette, around: Around) => readonly Action[];
}

/** What a step may know of its program. */
interface Around {
  readonly args: readonly Said[];
  /** Proxies of the other objects of that typeid. */
  readonly others: (typeid: Typeid) => Arbitrary<Said>[];
}

type Action = Arbitrary<readonly [name: string, ...args: Said[]]>;

/** Which objects a program has beside its first. */
const companions: Arbitrary<readonly Typeid[]> = fc.oneof(
  weighted(16, fc.constant([])),
  weighted(1, fc.constant(["list"])),
  weighted(1, fc.constant(["dict"])),
  weighted(1, fc.constant(["list", "Queue"])),
  weighted(1, fc.constant(["set", "Namespace", "Value"])),
) as Arbitrary<readonly Typeid[]>;

/** Programs whose first object is of one of the typeids. */
export function programsWith(...typeids: readonly Typeid[]): Arbitrary<Program> {
  return fc.tuple(fc.constantFrom(...flavours), fc.constantFrom(...typeids), companions)
    .chain(([flavour, first, others]) => programsOf(flavour, [first, ...others]));
}

function programsOf(flavour: Flavour, typeids: readonly Typeid[]): Arbitrary<Program> {
  const palette = paletteOf(flavour, typeids.length);
  const args = fc.tuple(
    ...typeids.map((typeid, earlier) => kinds[typeid].args(paletteOf(flavour, earlier))),
  );
  return args.chain((made) => {
    const one = stepOf(palette, typeids, made);
    const steps = fc.oneof(
      weighted(4, fc.array(one, { minLength: 5, maxLength: 12, size: "max" })),
      weighted(1, fc.array(one, { minLength: 5, maxLength: 40, size: "max" })),
    );
    return steps.map((all) => ({
      objects: typeids.map((typeid, i) => [typeid, ...made[i]!] as const),
      steps: [...all, ...typeids.map(lastLook)],
    }));
  });
}

function stepOf(
  palette: Palette,
  typeids: readonly Typeid[],
  made: readonly (readonly Said[])[],
): Arbitrary<Step> {
  const ofObjects = typeids.map((typeid, own) => {
    const others = (wanted: Typeid) =>
      typeids.flatMap((other, number) =>
        other === wanted && number !== own ? [fc.constant<Said>({ proxy: number })] : []
      );
    const actions = [
      ...kinds[typeid].does(palette, { args: made[own]!, others }),
      ...hasText(typeid) ? [step("str")] : [],
    ];
    return fc.oneof(...actions).map((action): Step => [own, ...action]);
  });
  const [first, ...rest] = ofObjects.map((steps, i) => weighted(i === 0 ? 3 : 1, steps));
  return fc.oneof(first!, ...rest);
}

/** What is compared at the end of each program. */
function lastLook(typeid: Typeid, own: number): Step {
  return [own, hasText(typeid) ? "str" : "drain"];
}

function step(name: string, ...args: Arbitrary<Said>[]): Action {
  return fc.tuple(fc.constant(name), ...args) as unknown as Action;
}

function steps(names: readonly string[], ...args: Arbitrary<Said>[]): Action {
  return fc.constantFrom(...names).chain((name) => step(name, ...args));
}

const none: Action[] = [];

const list: Kind = {
  args: ({ value }) => fc.tuple(fc.array(value, { maxLength: 6 })),
  does: ({ value, comparable, badIndex }, { others }) => {
    const items = fc.array(value, { maxLength: 3 });
    const noList = fc.constantFrom<Said>(null, 5);
    return [
      steps(["append"], value),
      steps(["append"], value),
      steps(["len", "clear", "copy", "iter", "reverse", "pop", "getvalue"]),
      steps(["getitem", "delitem", "pop"], index),
      steps(["getitem", "delitem", "pop"], badIndex),
      steps(["setitem", "insert"], index, value),
      steps(["contains", "remove", "index", "count", "rindex"], comparable),
      step("index", comparable, index),
      step("slice", end, end),
      step("sort", fc.boolean()),
      step("sort", fc.boolean()),
      step("unshift", items),
      steps(["extend", "iadd"], fc.oneof(items, fc.constant("it's"), noList, ...others("list"))),
      step("add", fc.oneof(items, fc.constant("text"), noList)),
      fc.tuple(place, place, items).map(([start, length, values]) =>
        ["splice", start, start + length, values] as const
      ),
      step("fill", value, index, index),
      step("pop", fc.constant(0)),
      step("inside", index),
    ];
  },
};

const dict: Kind = {
  args: ({ key, value }) => fc.tuple(dictOf(key, value)),
  does: ({ key, value }, { others }) => {
    const noKey = fc.constant<Said>([1]);
    const by = fc.oneof(
      weighted(6, fc.integer({ min: -3, max: 3 }) as Arbitrary<Said>),
      weighted(2, fc.constantFrom<Said>(0.5, 1e300)),
      weighted(1, fc.constantFrom<Said>({ int: "9007199254740993" }, "text", null)),
    );
    const badEntries = fc.constantFrom<Said>(5, null, [["a", 1], ["b"]], [5], [[[1], 2]]);
    return [
      step("setitem", key, value),
      step("setitem", key, value),
      steps(["getitem", "get", "delitem", "contains"], key),
      steps(
        ["getitem", "get", "delitem", "contains"],
        fc.oneof(weighted(9, key), weighted(1, noKey)),
      ),
      step("pop", key),
      step("pop", key, fc.constant(null)),
      steps(["len", "keys", "values", "items", "copy", "popitem", "getvalue"]),
      fc.oneof(weighted(1, steps(["iter", "clear"])), weighted(5, steps(["len"]))),
      step("setdefault", key, value),
      step("inside", key),
      step("increment", key, by),
      step("increment", key, by),
      step(
        "update",
        fc.oneof(dictOf(key, value), entriesOf(key, value), badEntries, ...others("dict")),
      ),
    ];
  },
};

const set: Kind = {
  args: ({ key }) => fc.tuple(membersOf(key)),
  does: ({ key }) => {
    const member = fc.oneof(weighted(15, key), weighted(1, fc.constant<Said>([1])));
    const members = fc.oneof(
      weighted(6, membersOf(key)),
      weighted(1, fc.constantFrom<Said>("hello", null, 5)),
    );
    const other = membersOf(key).map((said): Said => ({ set: said }));
    return [
      steps(["add", "discard", "remove", "contains"], member),
      steps(["add", "discard", "remove", "contains"], key),
      steps(["len", "copy", "pop", "getvalue", "pop"]),
      fc.oneof(weighted(1, steps(["iter", "clear"])), weighted(5, steps(["pop"]))),
      steps(["union", "intersection", "difference", "update"], members),
      steps(["union", "intersection", "difference", "update"], members, members),
      steps(["symmetric_difference", "issubset", "issuperset", "isdisjoint"], members),
      steps(["or", "and", "sub", "xor"], other),
    ];
  },
};

const attribute = fc.constantFrom(
  ...["x", "y", "x1", "X", "long_name", "get", "set", "keys", "delete", "then", "toJSON"],
  ...["constructor", "é", "a b", "_x", "_y"],
);

const namespace: Kind = {
  args: ({ value }) => {
    const names = fc.constantFrom<Said>("x", "y", "get", "constructor");
    return fc.tuple(dictOf(names, value));
  },
  does: ({ value }) => [
    step("setattr", attribute, value),
    steps(["getattr", "delattr"], attribute),
    step("getattr", attribute),
    steps(["names", "getvalue"]),
  ],
};

const misfits = fc.constantFrom<Said>("text", null, [1]);

/** Whole numbers of a typecode, its limits and what is just beyond them. */
function wholeNumbers(bits: number, signed: boolean): Arbitrary<Said> {
  const [min, max] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  return fc.oneof(
    weighted(6, fc.integer({ min: signed ? -9 : 0, max: 9 }) as Arbitrary<Said>),
    weighted(1, fc.constantFrom<Said>(min, max, min - 1, max + 1, 0.5)),
  );
}

function bigints(signed: boolean): Arbitrary<Said> {
  const [min, max] = signed ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
  const edges = [min, max, min - 1n, max + 1n];
  return fc.oneof(
    weighted(6, fc.bigInt(signed ? -9n : 0n, 9n)),
    weighted(1, fc.constantFrom(...edges)),
  ).map((value): Said => ({ int: String(value) }));
}

const halves = fc.integer({ min: -9, max: 9 }).map((half) => half / 2);
const elements: Readonly<Record<string, { fits: Arbitrary<Said>; asked: Arbitrary<Said> }>> = {
  b: { fits: fc.integer({ min: -128, max: 127 }), asked: wholeNumbers(8, true) },
  B: { fits: fc.nat(255), asked: wholeNumbers(8, false) },
  h: { fits: fc.integer({ min: -9, max: 9 }), asked: wholeNumbers(16, true) },
  H: { fits: fc.nat(9), asked: wholeNumbers(16, false) },
  i: { fits: fc.integer({ min: -9, max: 9 }), asked: wholeNumbers(32, true) },
  I: { fits: fc.nat(9), asked: wholeNumbers(32, false) },
  q: { fits: fc.bigInt(-9n, 9n).map((int) => ({ int: String(int) })), asked: bigints(true) },
  Q: { fits: fc.bigInt(0n, 9n).map((int) => ({ int: String(int) })), asked: bigints(false) },
  f: { fits: halves, asked: halves },
  d: { fits: halves, asked: fc.oneof(halves, fc.constantFrom<Said>(0.1, 1e300, { float: "nan" })) },
};

const typecode = fc.constantFrom(...Object.keys(elements));

const value: Kind = {
  args: (palette) =>
    fc.oneof(
      weighted(1, fc.tuple(fc.constant<Said>("any"), palette.value)),
      weighted(
        3,
        typecode.chain((code) => fc.tuple(fc.constant<Said>(code), elements[code]!.fits)),
      ),
    ),
  does: (palette, { args: [code] }) => {
    const own = fc.constant(code!);
    if (code === "any") {
      const by = fc.constantFrom<Said>(2, 0.5, "text");
      return [steps(["get", "value"]), step("set", own, palette.value), step("iadd", own, by)];
    }
    const { asked } = elements[code as string]!;
    const anything = fc.oneof(weighted(9, asked), weighted(1, misfits));
    return [steps(["get", "value"]), step("set", own, anything), step("iadd", own, anything)];
  },
};

const array: Kind = {
  args: () =>
    typecode.chain((code) =>
      fc.tuple(fc.constant<Said>(code), fc.array(elements[code]!.fits, { maxLength: 6 }))
    ),
  does: (_, { args: [code, initial] }) => {
    const { asked } = elements[code as string]!;
    const size = (initial as Said[]).length;
    const element = fc.oneof(
      weighted(9, asked),
      weighted(1, misfits),
      weighted(1, fc.constant(true)),
    );
    const slice = fc.nat(size).chain((start) =>
      fc.tuple(
        fc.constant("set_slice"),
        fc.constant(code!),
        fc.constant(start),
        fc.array(asked, { maxLength: size - start }),
      )
    );
    return [
      steps(["len", "getvalue"]),
      fc.oneof(weighted(1, step("iter")), weighted(5, step("len"))),
      step("getitem", index),
      step("setitem", index, element),
      step("slice", end, end),
      slice as unknown as Action,
      step("iadd", index, asked),
    ];
  },
};

const queue: Kind = {
  args: () => fc.oneof(fc.constant<Said[]>([]), fc.tuple(fc.integer({ min: 0, max: 4 }))),
  does: ({ value }, { args: [maxSize] }) => [
    steps(["put_now", "put_nowait"], value),
    steps(["put_now", "put_nowait"], value),
    steps(["get_now", "get_nowait"]),
    steps(["qsize", "empty", "full"]),
    fc.oneof(weighted(1, step("drain")), weighted(5, step("get_nowait"))),
    ...maxSize ? none : [step("put_all", fc.array(value, { maxLength: 4 }))],
  ],
};

const joinableQueue: Kind = {
  args: queue.args,
  does: (palette, around) => [
    ...queue.does(palette, around),
    steps(["work", "work", "finish"]),
  ],
};

const kinds: Readonly<Record<Typeid, Kind>> = {
  list,
  dict,
  set,
  Namespace: namespace,
  Value: value,
  Array: array,
  Queue: queue,
  JoinableQueue: joinableQueue,
};
