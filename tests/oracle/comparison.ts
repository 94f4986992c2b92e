/**
 * Runs a program here and compares each outcome with Python's.
 *
 * Above: oracle_test.ts. Below: translation.ts, forgiven.ts, values.ts.
 *
 * @module
 */
import { isProxy, type Manager, releaseProxy } from "../../mod.ts";
import type { ProxyBase } from "../../lib/objects/proxy_base.ts";
import { forgiven, type Happened, rewritten } from "./forgiven.ts";
import { create, perform, textOf } from "./translation.ts";
import {
  absent,
  decode,
  encode,
  hasText,
  type Outcome,
  type Program,
  same,
  type Step,
} from "./values.ts";

/** How a program went beside Python's. */
export interface Comparison {
  /** The first step whose difference nothing forgives, in words. */
  readonly mismatch: string | undefined;
  /** Whether some outcome was not Python's as it is. */
  readonly differs: boolean;
  /** The names of the differences that were forgiven. */
  readonly forgiven: ReadonlySet<string>;
}

/** Runs the program on this manager beside what it did in Python. */
export async function compare(
  manager: Manager,
  program: Program,
  inPython: readonly Outcome[],
): Promise<Comparison> {
  const proxies: unknown[] = [];
  for (const [typeid, ...args] of program.objects) {
    proxies.push(await create(manager, typeid, decode(args, proxies) as unknown[]));
  }
  try {
    return await compareSteps(program, inPython, proxies);
  } finally {
    for (const proxy of proxies) releaseProxy(proxy as ProxyBase);
  }
}

async function compareSteps(
  program: Program,
  inPython: readonly Outcome[],
  proxies: readonly unknown[],
): Promise<Comparison> {
  const names = new Set<string>();
  let differs = false;
  for (const [i, step] of program.steps.entries()) {
    const [target, name, ...args] = step;
    const python = inPython[i]!;
    const ours = await outcomeOf(program, step, proxies);
    if (same(python, ours)) continue;
    differs = true;
    const [typeid] = program.objects[target]!;
    const proxy = proxies[target];
    const found = await forgive({ typeid, proxy, name, args, python, ours, proxies });
    if (!found) return { mismatch: described(program, i, python, ours), differs, forgiven: names };
    for (const each of found) names.add(each);
  }
  return { mismatch: undefined, differs, forgiven: names };
}

async function outcomeOf(
  program: Program,
  [target, name, ...args]: Step,
  proxies: readonly unknown[],
): Promise<Outcome> {
  const [typeid] = program.objects[target]!;
  const proxy = proxies[target];
  try {
    if (name === "str") return { text: await textOf(proxy) };
    const decoded = decode(args, proxies) as unknown[];
    if (name === "inside") {
      const item = await perform(typeid, proxy, "getitem", decoded);
      return await outcomeInside(program, item, proxies);
    }
    return { value: encode(await perform(typeid, proxy, name, decoded), proxies) };
  } catch (error) {
    return { error: (error as Error).name };
  }
}

/** Uses a proxy that an object holds. */
async function outcomeInside(
  program: Program,
  item: unknown,
  proxies: readonly unknown[],
): Promise<Outcome> {
  if (!isProxy(item)) return { value: item === undefined ? absent : null };
  const [typeid] = program.objects[proxies.indexOf(item)]!;
  if (typeid === "list") await perform(typeid, item, "append", ["inside"]);
  if (typeid === "set") return { value: encode(await perform(typeid, item, "len", []), proxies) };
  if (hasText(typeid)) return { text: await textOf(item) };
  return { value: encode(await perform(typeid, item, "qsize", []), proxies) };
}

/** The names of what makes the two outcomes the same; undefined if they are not. */
async function forgive(happened: Happened): Promise<string[] | undefined> {
  const python = rewritten(happened.python, happened);
  const ours = rewritten(happened.ours, happened);
  const names = [...python.names, ...ours.names];
  if (same(python.outcome, ours.outcome)) return names;
  const both = { ...happened, python: python.outcome, ours: ours.outcome };
  for (const { name, forgives, repair } of forgiven) {
    if (!await forgives?.(both)) continue;
    await repair?.(happened);
    return [...names, name];
  }
  return undefined;
}

function described(program: Program, i: number, python: Outcome, ours: Outcome): string {
  return [
    `Step ${i}, ${JSON.stringify(program.steps[i])}, of this program:`,
    JSON.stringify({ objects: program.objects, steps: program.steps.slice(0, i + 1) }),
    `Python: ${JSON.stringify(python)}`,
    `here:   ${JSON.stringify(ours)}`,
  ].join("\n");
}
