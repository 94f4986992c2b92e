import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "@msgpack/msgpack";
import { decodeFlat, FlatEncoder, notFlat } from "../lib/wire/flat.ts";
import { messagePack } from "../lib/wire/serializer.ts";
import { assertClean } from "./support/clean.ts";

const integers = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1];
const floats = [0.5, -1.25, NaN, Infinity, -Infinity, 1.5e-300];
const texts = ["", "key", "\0\x7f", "x".repeat(31)];
const primitives = [...integers, ...floats, ...texts, true, false, null];
const flat = [...primitives, [], ...primitives.map((value) => [value]), primitives.slice(0, 15)];
const none = { indexOf: () => undefined, at: () => ({}) };

test("FlatEncoder writes the bytes that MessagePack says", () => {
  const encoder = new FlatEncoder();
  for (const value of flat) assert.deepEqual(encoder.encode(value), encode(value));
});

test("decodeFlat() reads what MessagePack says", () => {
  for (const value of flat) assert.deepEqual(decodeFlat(encode(value)), value);
});

test("FlatEncoder leaves what is not flat to the serializer", () => {
  const encoder = new FlatEncoder();
  const others = [undefined, -0, -1, 2 ** 32, 2 ** 53, 1n, "é", "\ud800", "x".repeat(32), {}];
  for (const value of [...others, Symbol(), () => {}]) {
    assert.equal(encoder.encode(value), undefined);
    assert.equal(encoder.encode(["key", value]), undefined);
  }
  assert.equal(encoder.encode(new Array(16).fill(0)), undefined);
  assert.equal(encoder.encode([[1]]), undefined);
});

test("decodeFlat() leaves bytes that are cut, too many or not flat to the serializer", () => {
  const bytes = encode(["key", 300, 0.5, 2 ** 31, null]);
  for (let end = 0; end < bytes.length; end++) {
    assert.equal(decodeFlat(bytes.subarray(0, end)), notFlat);
  }
  assert.equal(decodeFlat(Uint8Array.of(...bytes, 0)), notFlat);
  for (let head = 0; head < 256; head++) {
    for (const tail of [[], [0], [0xc3, 0x80], new Array(9).fill(0xff)]) {
      const found = decodeFlat(Uint8Array.of(head, ...tail));
      if (found !== notFlat) assert.deepEqual(found, decode(Uint8Array.of(head, ...tail)));
    }
  }
});

test("messagePack encodes an array whose accessor encodes something itself", () => {
  const list = Object.defineProperty(["first", 2, 3], 1, {
    get: () => messagePack.encode(["inner", 9], none).length,
  });
  assert.deepEqual(messagePack.decode(messagePack.encode(list, none), none), ["first", 8, 3]);
});

test("leaves nothing behind", assertClean);
