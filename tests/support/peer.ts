/**
 * A scripted client for tests of the protocol: it says exactly what the test tells it to, over an
 * in-memory pair, and shows what the server answered, message by message.
 *
 * Above: tests. Below: lib/wire.
 *
 * @module
 */
import { createHmac, randomBytes } from "node:crypto";
import { Fields, FrameWriter, headerBytes } from "../../lib/wire/frame.ts";
import {
  type Call,
  firstMethod,
  Kind,
  protocolVersion,
  readReply,
  type Reply,
  serverMethods,
  Target,
  type Welcome,
  writeCall,
  writeJson,
  writeRelease,
} from "../../lib/wire/protocol.ts";
import { messagePack, type References } from "../../lib/wire/serializer.ts";
import { memoryPair, type Transport } from "../../lib/wire/transport.ts";

/** What accepts connections: an `ObjectServer`. */
export interface Acceptor {
  /** Takes over a new connection. */
  accept(transport: Transport): void;
}

/** One message of the server. */
export interface Message {
  /** Its kind. */
  readonly kind: number;
  /** The rest of the frame's body. */
  readonly body: Uint8Array;
}

/** A decoded reply; proxies in its value are `{ object: number }`. */
export interface Answer extends Reply {
  /** The decoded payload. */
  readonly value: unknown;
}

/** What a `Call` may leave out. */
export type CallPart = Partial<Call> & { args?: unknown };

/** The HMAC that proves the authkey. */
export function prove(
  authkey: Uint8Array,
  role: string,
  clientNonce: string,
  hello: Record<string, unknown>,
): string {
  const { nonce, version, serializer, epoch } = hello;
  const transcript = JSON.stringify([role, clientNonce, nonce, version, serializer, epoch]);
  return createHmac("sha256", authkey).update(transcript).digest("base64");
}

/** The client's answer to the server's greeting, with whatever the test wants otherwise. */
export function proofOf(
  authkey: Uint8Array,
  hello: Record<string, unknown>,
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  const nonce = randomBytes(24).toString("base64");
  return {
    version: protocolVersion,
    serializer: hello["serializer"],
    nonce,
    proof: prove(authkey, "client", nonce, hello),
    maxMessageBytes: 64 * 1024 * 1024,
    ...changes,
  };
}

/** Bytes of the frames that `write` writes. */
export function framesOf(write: (frame: FrameWriter) => void): Uint8Array {
  const writer = new FrameWriter();
  write(writer);
  const chunks = writer.take();
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  return all;
}

/** How many bytes a payload of `value` has. */
export function payloadOf(value: unknown): Uint8Array {
  return messagePack.encode(value, outgoing).slice();
}

const outgoing: References = {
  maxDepth: 1e9,
  indexOf: (value) => (value as { reference?: number }).reference,
  at: () => {
    throw new Error("nothing comes in here");
  },
};

/** One scripted connection. */
export class Peer {
  /** What the server sent and nobody has taken. */
  readonly messages: Message[] = [];
  /** Answers in the order in which they were complete. */
  readonly answered: number[] = [];
  /** Resolves when the server closed the connection; never rejects. */
  readonly closed: Promise<Error | undefined>;
  /** Whether it is. */
  isClosed = false;
  readonly #transport: Transport;
  #unread = new Uint8Array(0);
  #welcome: Welcome | undefined;
  readonly #answers = new Map<number, Answer>();
  readonly #pieces = new Map<number, { body: Uint8Array; filled: number }>();
  #wake = new Set<() => void>();

  /** Connects to the server in memory, or takes over a connected socket; nothing is proved yet. */
  constructor(server: Acceptor | Transport) {
    const [ours, theirs] = "accept" in server ? memoryPair() : [server];
    this.#transport = ours;
    this.closed = new Promise((resolve) => {
      ours.start({
        data: (chunk) => this.#data(chunk),
        drain: () => {},
        close: (error) => {
          this.isClosed = true;
          resolve(error);
          this.#changed();
        },
      });
    });
    if ("accept" in server) server.accept(theirs!);
  }

  /** Connects and authenticates. */
  static async open(
    server: Acceptor | Transport,
    authkey: Uint8Array,
    changes?: Record<string, unknown>,
  ): Promise<Peer> {
    const peer = new Peer(server);
    await peer.authenticate(authkey, changes);
    return peer;
  }

  /** The JSON of the server's greeting. */
  async hello(): Promise<Record<string, unknown>> {
    return jsonOf(await this.take(Kind.Hello));
  }

  /** Proves the authkey; resolves to the welcome. */
  async authenticate(authkey: Uint8Array, changes?: Record<string, unknown>): Promise<Welcome> {
    const proof = proofOf(authkey, await this.hello(), changes);
    this.send((frame) => writeJson(frame, Kind.Proof, proof));
    await this.take(Kind.Proven);
    this.#welcome = jsonOf(await this.take(Kind.Welcome)) as unknown as Welcome;
    return this.#welcome;
  }

  /** What the server said when it trusted this peer. */
  get welcome(): Welcome {
    return this.#welcome!;
  }

  /** The index of a method of a typeid whose table was announced. */
  method(typeid: string, name: string): number {
    const methods = this.welcome.types[typeid]!.table!.methods;
    return firstMethod + methods.findIndex((method) => method.name === name);
  }

  /** The call of a method of an object; it is sent by `sendCall` or `call`. */
  on(object: number, typeid: string, name: string, ...args: unknown[]): CallPart {
    return {
      target: Target.Object,
      targetId: object,
      method: this.method(typeid, name),
      args: args.length > 0 ? args : undefined,
    };
  }

  /** Sends frames. */
  send(write: (frame: FrameWriter) => void): void {
    this.sendBytes(framesOf(write));
  }

  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array): void {
    this.#transport.write(bytes);
  }

  /** Sends a call; what is left out is a call of the server itself without arguments. */
  sendCall(call: CallPart): void {
    this.sendBytes(callBytes(call));
  }

  /** Sends a call and waits for its answer. */
  call(call: CallPart & { id: number }): Promise<Answer> {
    this.sendCall(call);
    return this.answer(call.id);
  }

  /** Calls one of the server's own methods. */
  server(
    id: number,
    name: typeof serverMethods[number],
    ...args: unknown[]
  ): Promise<Answer> {
    return this.call({ id, target: Target.Server, method: serverMethods.indexOf(name), args });
  }

  /** Makes an object; resolves to its number. */
  async create(id: number, typeid: string, ...args: unknown[]): Promise<number> {
    const { value } = await this.server(id, "create", typeid, args);
    return (value as { object: number }).object;
  }

  /** Gives receipts back. */
  release(object: number, receipts = 1): void {
    this.send((frame) => writeRelease(frame, object, receipts));
  }

  /** The answer to the call `id`, once; rejects when the connection is closed before. */
  async answer(id: number): Promise<Answer> {
    await this.#until(() => this.#answers.has(id), `an answer to call ${id}`);
    const answer = this.#answers.get(id)!;
    this.#answers.delete(id);
    return answer;
  }

  /** Whether the answer is there already. */
  hasAnswer(id: number): boolean {
    return this.#answers.has(id);
  }

  /** The next message of the kind, which is taken out; rejects when the connection is closed before. */
  async take(kind: number): Promise<Message> {
    const find = () => this.messages.findIndex((message) => message.kind === kind);
    await this.#until(() => find() >= 0, `a message of kind ${kind}`);
    return this.messages.splice(find(), 1)[0]!;
  }

  /** Stops reading. */
  pause(): void {
    this.#transport.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#transport.resume();
  }

  /** Bytes that the server has not read. */
  get unreadBytes(): number {
    return this.#transport.bufferedBytes;
  }

  /** Closes at once. */
  destroy(): void {
    this.#transport.destroy();
  }

  #data(chunk: Uint8Array): void {
    const bytes = new Uint8Array(this.#unread.length + chunk.length);
    bytes.set(this.#unread);
    bytes.set(chunk, this.#unread.length);
    let offset = 0;
    while (bytes.length - offset >= headerBytes) {
      const length = new DataView(bytes.buffer, offset).getUint32(0, true);
      const end = offset + headerBytes + length;
      if (end > bytes.length) break;
      this.#receive(bytes.subarray(offset + headerBytes, end));
      offset = end;
    }
    this.#unread = bytes.subarray(offset);
  }

  #receive(body: Uint8Array): void {
    const kind = body[0]!;
    if (kind === Kind.Reply) this.#answer(body);
    else if (kind === Kind.Piece) this.#piece(body);
    else this.messages.push({ kind, body: body.subarray(1) });
    this.#changed();
  }

  #piece(body: Uint8Array): void {
    this.messages.push({ kind: Kind.Piece, body: body.subarray(1) });
    const fields = new Fields(body.subarray(1));
    const id = fields.varint();
    const total = fields.varint();
    const piece = fields.rest();
    let reply = this.#pieces.get(id);
    if (!reply) this.#pieces.set(id, reply = { body: new Uint8Array(total), filled: 0 });
    reply.body.set(piece, reply.filled);
    reply.filled += piece.length;
    if (reply.filled < total) return;
    this.#pieces.delete(id);
    this.#answer(reply.body);
  }

  #answer(body: Uint8Array): void {
    const reply = readReply(new Fields(body.subarray(1)));
    const incoming: References = {
      indexOf: () => undefined,
      at: (index) => ({ object: reply.references[2 * index]! }),
    };
    const value = reply.payload.length === 0
      ? undefined
      : messagePack.decode(reply.payload, incoming);
    this.#answers.set(reply.id, { ...reply, value });
    this.answered.push(reply.id);
  }

  #changed(): void {
    const waiting = this.#wake;
    this.#wake = new Set();
    for (const wake of waiting) wake();
  }

  async #until(check: () => boolean, what: string): Promise<void> {
    while (!check()) {
      if (this.isClosed) throw new Error(`The server closed the connection before ${what}`);
      await new Promise<void>((resolve) => this.#wake.add(resolve));
    }
  }
}

/** The bytes of a call; proxies in `args` are `{ reference: index }`. */
export function callBytes(call: CallPart): Uint8Array {
  const { id = 1, target = Target.Server, targetId = 0, method = 0, timeout, references = [] } =
    call;
  const payload = call.payload ??
    (call.args === undefined ? new Uint8Array(0) : payloadOf(call.args));
  return framesOf((frame) =>
    writeCall(frame, id, target, targetId, method, timeout, references, payload)
  );
}

/** The JSON of a message. */
export function jsonOf(message: Message): Record<string, unknown> {
  return new Fields(message.body).json();
}

/** A frame of the kind with the body, whatever they are. */
export function frameOf(kind: number, body: Uint8Array | readonly number[]): Uint8Array {
  const frame = new Uint8Array(headerBytes + 1 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length + 1, true);
  frame[headerBytes] = kind;
  frame.set(body, headerBytes + 1);
  return frame;
}
