/**
 * A transport that shows the frames which pass through it, and can hold back what comes in: for tests
 * that count messages, or in which a server seems to be silent.
 *
 * Above: tests. Below: lib/wire.
 *
 * @module
 */
import { Client } from "../../lib/client/client.ts";
import type { ObjectServer } from "../../lib/server/server.ts";
import { headerBytes } from "../../lib/wire/frame.ts";
import { Kind } from "../../lib/wire/protocol.ts";
import { memoryPair, type Transport } from "../../lib/wire/transport.ts";
import { clientOptions } from "./clients.ts";

type Receiver = Parameters<Transport["start"]>[0];

/** What passed: the name of its kind, `>` to the server or `<` from it, such as `">Call"`. */
export type Passed = `${">" | "<"}${string}`;

const names = new Map(Object.entries(Kind).map(([name, kind]) => [kind as number, name]));

/** See above. */
export class Tap implements Transport {
  /** All frames so far, in the order in which they passed. */
  readonly passed: Passed[] = [];
  readonly #inner: Transport;
  #receiver: Receiver | undefined;
  #held: Uint8Array[] | undefined;
  readonly #unread: Record<">" | "<", Uint8Array> = {
    ">": new Uint8Array(0),
    "<": new Uint8Array(0),
  };

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  /** From now on nothing of what comes in is delivered. */
  hold(): void {
    this.#held ??= [];
  }

  /** Delivers what was held back. */
  letGo(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const chunk of held) this.#receiver!.data(chunk);
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#inner.start({
      data: (chunk) => {
        this.#note("<", chunk);
        if (this.#held) this.#held.push(chunk);
        else receiver.data(chunk);
      },
      drain: () => receiver.drain(),
      close: (error) => receiver.close(error),
    });
  }

  write(bytes: Uint8Array): boolean {
    this.#note(">", bytes);
    return this.#inner.write(bytes);
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes;
  }

  get acceptedBytes(): number {
    return this.#inner.acceptedBytes;
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  ref(): void {
    this.#inner.ref();
  }

  unref(): void {
    this.#inner.unref();
  }

  end(): Promise<void> {
    return this.#inner.end();
  }

  destroy(error?: Error): void {
    this.#inner.destroy(error);
  }

  #note(direction: ">" | "<", chunk: Uint8Array): void {
    const before = this.#unread[direction];
    const bytes = new Uint8Array(before.length + chunk.length);
    bytes.set(before);
    bytes.set(chunk, before.length);
    let offset = 0;
    while (bytes.length - offset >= headerBytes) {
      const end = offset + headerBytes + new DataView(bytes.buffer, offset).getUint32(0, true);
      if (end > bytes.length) break;
      const kind = bytes[offset + headerBytes]!;
      this.passed.push(`${direction}${names.get(kind) ?? kind}`);
      offset = end;
    }
    this.#unread[direction] = bytes.subarray(offset);
  }
}

/** A client of the server in memory, and the tap on its connection. */
export async function tappedClient(
  server: ObjectServer,
  authkey: Uint8Array,
  verdictTimeout?: number,
): Promise<{ client: Client; tap: Tap }> {
  const [ours, theirs] = memoryPair();
  server.accept(theirs);
  const tap = new Tap(ours);
  const client = await Client.connect(
    tap,
    clientOptions({ address: server.address, authkey, verdictTimeout }),
  );
  return { client, tap };
}
