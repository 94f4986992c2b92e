/**
 * What random programs do not contain, because it would differ from there on: the differences of
 * `docs/from-python.md` that are not forgiven but avoided. Each has a witness: the smallest program
 * whose outcomes are not Python's.
 *
 * Above: oracle_test.ts. Below: values.ts; programs.ts keeps to it.
 *
 * @module
 */
import type { Program } from "./values.ts";

/** The programs by the names of the differences. */
export const notAsked: Readonly<Record<string, Program>> = {
  "True is not 1": {
    objects: [["list", [true]]],
    steps: [[0, "contains", 1]],
  },
  "NaN is NaN": {
    objects: [["list", [{ float: "nan" }]]],
    steps: [[0, "contains", { float: "nan" }]],
  },
  "-0 as a key": {
    objects: [["dict", { dict: [[{ float: "-0.0" }, 1]] }]],
    steps: [[0, "keys"]],
  },
  "proxies are compared": {
    objects: [["list", []]],
    steps: [[0, "append", { proxy: 0 }], [0, "contains", { proxy: 0 }]],
  },
  "proxies as iterables": {
    objects: [["set", [1]], ["set", [2]]],
    steps: [[0, "union", { proxy: 1 }]],
  },
  "arguments of set algebra": {
    objects: [["set", [1]]],
    steps: [[0, "union", [[2]]]],
  },
  "keys that are tuples": {
    objects: [["dict", { dict: [] }]],
    steps: [[0, "setitem", { tuple: [1, 2] }, 3]],
  },
  "lone surrogates": {
    objects: [["list", []]],
    steps: [[0, "append", "\uD800"]],
  },
  "concat of a proxy": {
    objects: [["list", [1]], ["list", [2]]],
    steps: [[0, "add", { proxy: 1 }]],
  },
  "a dict as an iterable": {
    objects: [["list", []]],
    steps: [[0, "extend", { dict: [[2, 3]] }], [0, "copy"]],
  },
  "all or nothing": {
    objects: [["list", [2, 1, 3, "a"]]],
    steps: [[0, "sort_halfway"], [0, "copy"]],
  },
  "a value keeps its type": {
    objects: [["Value", "i", 1]],
    steps: [[0, "set_anything", "text"]],
  },
  "infinite by overflow": {
    objects: [["Array", "f", [0]]],
    steps: [[0, "setitem", 0, { float: "1e39" }]],
  },
  "l and L": {
    objects: [["Array", "l", [0]]],
    steps: [[0, "setitem", 0, 4294967296]],
  },
  "the size of an array": {
    objects: [["Array", "i", [1, 2]]],
    steps: [[0, "set_slice", "i", 1, [3, 4]]],
  },
  "taskDone before get": {
    objects: [["JoinableQueue"]],
    steps: [[0, "put_now", 1], [0, "task_done"]],
  },
};
