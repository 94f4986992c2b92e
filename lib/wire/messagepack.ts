/**
 * The default serializer: MessagePack through `@msgpack/msgpack`, with extension types for what
 * MessagePack lacks.
 *
 * That codec would merge undefined with null and -0 with 0, take the byte order mark from long
 * strings, accept broken UTF-8, hand out views of the message and allocate what a header claims.
 * So it stands between two walks of ours and never meets what it could get wrong: lowering gives
 * it plain copies and extensions, and the scan has checked every byte that it decodes.
 *
 * Above: `serializer.ts`. Below: lowering, the scan and the kinds.
 *
 * @module
 */

import { Decoder, Encoder, ExtData } from "@msgpack/msgpack";
import { Buffer } from "node:buffer";
import { ProtocolError } from "../errors.ts";
import {
  buildBytes,
  buildContainer,
  bytesClasses,
  type ContainerKind,
  containerKinds,
  defaultMaxDepth,
  hexToBigint,
} from "./kinds.ts";
import { Lowering } from "./lowering.ts";
import { decodeFlat, FlatEncoder, notFlat } from "./flat.ts";
import { malformed, notEncoded } from "./refusals.ts";
import { scan } from "./scan.ts";
import type { References, Serializer } from "./serializer.ts";

// Extension types. Up to `text` they are no objects in memory; bytes kinds count from `bytes` on.
const extension = {
  undefined: 0,
  minusZero: 1,
  mark: 2,
  text: 3,
  bigint: 4,
  date: 5,
  reference: 6,
  bytes: 16,
} as const;

const bytesKinds: readonly string[] = [...bytesClasses.keys()];
const bytesTypes: ReadonlyMap<string, number> = new Map(
  bytesKinds.map((kind, i) => [kind, extension.bytes + i]),
);

const nothing = new ExtData(extension.undefined, new Uint8Array(0));
const minusZero = new ExtData(extension.minusZero, new Uint8Array(0));
const marks: ReadonlyMap<string, ExtData> = new Map(
  containerKinds.map((kind, i) => [kind, new ExtData(extension.mark, Uint8Array.of(i))]),
);

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A larger result is not kept as the buffer of the next one. */
const maxKeptBytes = 2_097_152;

/** The decoder keeps its last message alive, so it must be a small one. */
const maxRememberedBytes = 65_536;

class PackLowering extends Lowering {
  protected override readonly everyNumber: boolean = true;

  protected override nothing(): unknown {
    return nothing;
  }
  protected override number(): unknown {
    return minusZero;
  }
  protected override bigint(hex: string): unknown {
    const negative = hex.startsWith("-");
    const digits = negative ? hex.slice(1) : hex;
    const even = digits.length % 2 ? `0${digits}` : digits;
    return new ExtData(extension.bigint, Buffer.from((negative ? "01" : "00") + even, "hex"));
  }
  protected override date(time: number): unknown {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, time);
    return new ExtData(extension.date, bytes);
  }
  protected override reference(index: number): unknown {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, index);
    return new ExtData(extension.reference, bytes);
  }
  protected override bytes(kind: string, bytes: Uint8Array): unknown {
    return new ExtData(bytesTypes.get(kind)!, bytes);
  }
  protected override marked(text: string): unknown {
    return new ExtData(extension.text, utf8.encode(text));
  }
  protected override begin(kind: ContainerKind): unknown[] {
    return [marks.get(kind)];
  }
  protected override end(list: unknown[]): unknown {
    return list;
  }
  protected override awkward(key: string): boolean {
    return key === "__proto__" || key.charCodeAt(0) === 0xfeff;
  }
}

/** Stands first in the list of a container while a message is decoded. */
class Mark {
  readonly kind: ContainerKind;
  constructor(kind: ContainerKind) {
    this.kind = kind;
  }
}

/** Stands for a proxy, which must not be walked into, in a message with marks. */
class Held {
  readonly object: object;
  constructor(object: object) {
    this.object = object;
  }
}

/** What `@msgpack/msgpack` asks about extensions. */
class Extensions {
  references: References | undefined;
  marked = false;

  tryToEncode(object: unknown): ExtData | null {
    return object instanceof ExtData ? object : null;
  }

  decode(data: Uint8Array, type: number): unknown {
    switch (type) {
      case extension.undefined:
        return size(data, 0), undefined;
      case extension.minusZero:
        return size(data, 0), -0;
      case extension.mark:
        return size(data, 1), new Mark(containerKind(data[0]!));
      case extension.text:
        return strictUtf8.decode(data);
      case extension.bigint:
        return decodeBigint(data);
      case extension.date:
        return size(data, 8), new Date(viewOf(data).getFloat64(0));
      case extension.reference: {
        size(data, 4);
        const object = this.references!.at(viewOf(data).getUint32(0));
        return this.marked ? new Held(object) : object;
      }
    }
    const kind = bytesKinds[type - extension.bytes];
    if (kind === undefined) throw new ProtocolError(`The extension type ${type} is unknown`);
    return buildBytes(kind, data);
  }
}

function size(data: Uint8Array, expected: number): void {
  if (data.length === expected) return;
  throw new ProtocolError(`An extension has ${data.length} bytes instead of ${expected}`);
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.length);
}

function containerKind(index: number): ContainerKind {
  const kind = containerKinds[index];
  if (kind === undefined) throw new ProtocolError(`The container kind ${index} is unknown`);
  return kind;
}

function decodeBigint(data: Uint8Array): bigint {
  if (data.length < 2 || data[0]! > 1) {
    throw new ProtocolError("A bigint is empty or without a sign");
  }
  const hex = Buffer.from(data.buffer, data.byteOffset + 1, data.length - 1).toString("hex");
  return hexToBigint(data[0] === 1 ? `-${hex}` : hex);
}

/** Builds the containers of a message with marks, in place: the codec made all of it just now. */
function lift(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Held) return value.object;
  if (value instanceof Mark) throw new ProtocolError("The mark of a container stands alone");
  if (Array.isArray(value)) return liftList(value);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const object = value as Record<string, unknown>;
  for (const key of Object.keys(object)) {
    const item = object[key];
    const lifted = lift(item);
    if (lifted !== item) object[key] = lifted;
  }
  return object;
}

function liftList(list: unknown[]): unknown {
  const first = list[0];
  const from = first instanceof Mark ? 1 : 0;
  for (let i = from; i < list.length; i++) {
    const item = list[i];
    if (typeof item === "object") list[i] = lift(item);
  }
  return first instanceof Mark ? buildContainer(first.kind, list, 1) : list;
}

/** The default serializer. Its buffers are kept between calls; each call is done when it returns. */
class MessagePack implements Serializer {
  readonly name: string = "messagepack";
  readonly #extensions = new Extensions();
  readonly #flat = new FlatEncoder();
  #encoder = this.#newEncoder();
  #decoder = this.#newDecoder();

  encode(value: unknown, references: References): Uint8Array {
    return this.#flat.encode(value) ?? this.#encodeAny(value, references);
  }

  #encodeAny(value: unknown, references: References): Uint8Array {
    const plain = new PackLowering(references).lower(value);
    let bytes: Uint8Array;
    try {
      // No code of the user runs in here, so the shared buffer has no second writer.
      bytes = this.#encoder.encodeSharedRef(plain);
    } catch (error) {
      this.#encoder = this.#newEncoder();
      throw notEncoded(this.name, error);
    }
    if (bytes.length > maxKeptBytes) this.#encoder = this.#newEncoder();
    return bytes;
  }

  decode(bytes: Uint8Array, references: References): unknown {
    const flat = decodeFlat(bytes);
    return flat === notFlat ? this.#decodeAny(bytes, references) : flat;
  }

  #decodeAny(bytes: Uint8Array, references: References): unknown {
    const extensions = this.#extensions;
    const outer = extensions.references;
    const outerMarked = extensions.marked;
    try {
      const marked = scan(bytes, {
        firstObject: extension.bigint,
        mark: extension.mark,
        maxDepth: references.maxDepth ?? defaultMaxDepth,
      });
      extensions.references = references;
      extensions.marked = marked;
      const decoder = bytes.length > maxRememberedBytes ? this.#newDecoder() : this.#decoder;
      const value = decoder.decode(bytes);
      return marked ? lift(value) : value;
    } catch (error) {
      throw malformed(this.name, error);
    } finally {
      extensions.references = outer;
      extensions.marked = outerMarked;
    }
  }

  #newEncoder(): Encoder<undefined> {
    // Lowering has already counted the depth.
    return new Encoder({ extensionCodec: this.#extensions, maxDepth: Number.MAX_SAFE_INTEGER });
  }

  #newDecoder(): Decoder<undefined> {
    return new Decoder({ extensionCodec: this.#extensions });
  }
}

/** The default {@linkcode Serializer}: MessagePack through `@msgpack/msgpack`. */
export const messagePack: Serializer = new MessagePack();
