/**
 * Mutual authentication with HMAC-SHA-256: the server greets, the client proves first that it has
 * the authkey, then the server does. Nothing of a session is told or read before.
 *
 * Above: client.ts, server.ts. Below: connection.ts.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import {
  AuthenticationError,
  ConnectionClosedError,
  ManagerError,
  managerErrors,
  ProtocolError,
} from "../errors.ts";
import { envelopeBytes } from "../limits.ts";
import type { Connection, Receiver } from "./connection.ts";
import type { Fields } from "./frame.ts";
import { Kind, protocolVersion, type Welcome, writeBytes, writeJson } from "./protocol.ts";

/** What a server says of itself before anything is proved. */
export interface Hello {
  /** The protocol's version. */
  readonly version: number;
  /** The name of its serializer. */
  readonly serializer: string;
  /** Identifies this server's life; ids of another epoch mean nothing here. */
  readonly epoch: string;
  /** Random bytes in base64. */
  readonly nonce: string;
}

/** What a client says of itself. */
export interface ClientHello {
  /** The most bytes of user value in one message to it. */
  readonly maxMessageBytes: number;
  /** Its process, for whoever looks what the server does. */
  readonly pid?: number | undefined;
}

/** What both ends bring to the handshake. */
export interface Credentials {
  /** The shared secret. */
  readonly authkey: Uint8Array;
  /** The name of the serializer. */
  readonly serializer: string;
  /** Milliseconds until the handshake fails. */
  readonly timeout: number;
  /** What is said then, to those who know more of the peer. */
  readonly late?: string;
}

const nonceBytes = 24;
const proofBytes = 32;
const minAuthkeyBytes = 16;
/** Milliseconds in which a peer that nobody trusts can read why. */
const refusedPatience = 500;

/** A new random authkey. */
export function randomAuthkey(): Uint8Array {
  return new Uint8Array(randomBytes(32));
}

/** The bytes of an authkey as users give it: a string's UTF-8, or `base64:...`, or bytes; 16 bytes or more. */
export function authkeyBytes(authkey: string | Uint8Array): Uint8Array {
  if (typeof authkey !== "string" && !(authkey instanceof Uint8Array)) {
    throw new TypeError("An authkey must be a string or a Uint8Array");
  }
  const bytes = typeof authkey !== "string"
    ? Uint8Array.from(authkey)
    : authkey.startsWith("base64:")
    ? new Uint8Array(Buffer.from(authkey.slice("base64:".length), "base64"))
    : new TextEncoder().encode(authkey);
  if (bytes.length < minAuthkeyBytes) {
    throw new RangeError(
      `An authkey needs ${minAuthkeyBytes} bytes or more, got ${bytes.length}: use random bytes`,
    );
  }
  return bytes;
}

/** The authkey as `REFERENT_AUTHKEY` carries it. */
export function authkeyText(authkey: Uint8Array): string {
  return `base64:${Buffer.from(authkey).toString("base64")}`;
}

/**
 * The client's side. `opened` is asked once both ends have proved the authkey, and opens the
 * connection to what follows the welcome, perhaps in the same chunk; this resolves to what it gives.
 * A failure, its own too, closes the connection and rejects; `ended` is told if the server ends.
 */
export function authenticateClient<T>(
  connection: (receiver: Receiver) => Connection,
  credentials: Credentials,
  hello: ClientHello,
  opened: (connection: Connection, hello: Hello, welcome: Welcome) => T,
  ended: (why: string) => void = () => {},
): Promise<T> {
  const nonce = randomBytes(nonceBytes).toString("base64");
  let serverHello: Hello | undefined;
  let proven = false;
  return handshake<T>(connection, credentials, (kind, fields, done, self) => {
    if (kind === Kind.Refused) throw refusal(fields);
    if (kind === Kind.Bye) {
      const why = text(fields.json(), "reason");
      ended(why);
      throw new ConnectionClosedError(`The server ended: ${why}`);
    }
    if (kind === Kind.Hello && !serverHello) {
      serverHello = readHello(fields.json());
      refuseMismatch("server", serverHello, "client", credentials.serializer);
      const proof = prove(credentials.authkey, "client", nonce, serverHello);
      writeJson(self.output, Kind.Proof, {
        version: protocolVersion,
        serializer: credentials.serializer,
        nonce,
        proof: proof.toString("base64"),
        maxMessageBytes: hello.maxMessageBytes,
        pid: hello.pid,
      });
      self.flush();
      return;
    }
    if (kind === Kind.Proven && serverHello && !proven) {
      const proof = fields.bytes(proofBytes);
      if (!timingSafeEqual(proof, prove(credentials.authkey, "server", nonce, serverHello))) {
        throw new AuthenticationError("The server did not prove that it has the authkey");
      }
      proven = true;
      self.trust(hello.maxMessageBytes + envelopeBytes);
      return;
    }
    if (kind !== Kind.Welcome || !serverHello || !proven) {
      throw new ProtocolError(`Unexpected message of kind ${kind} in the handshake`);
    }
    done(opened(self, serverHello, readWelcome(fields.json())));
  });
}

/** The server's side. `welcome` is asked once the client is trusted; what it throws is told to the client. */
export function authenticateServer(
  connection: (receiver: Receiver) => Connection,
  credentials: Credentials & { readonly epoch: string },
  welcome: (hello: ClientHello, connection: Connection) => Welcome,
): Promise<void> {
  const own: Hello = {
    version: protocolVersion,
    serializer: credentials.serializer,
    epoch: credentials.epoch,
    nonce: randomBytes(nonceBytes).toString("base64"),
  };
  const greet = (receiver: Receiver): Connection => {
    const self = connection(receiver);
    writeJson(self.output, Kind.Hello, own);
    self.flush();
    return self;
  };
  return handshake<void>(greet, credentials, (kind, fields, done, self) => {
    if (kind !== Kind.Proof) {
      throw new ProtocolError(`Unexpected message of kind ${kind} before authentication`);
    }
    const proof = fields.json();
    refuse(self, () => {
      refuseMismatch("client", proof, "server", credentials.serializer);
      const nonce = text(proof, "nonce");
      const theirs = Buffer.from(text(proof, "proof"), "base64");
      const expected = prove(credentials.authkey, "client", nonce, own);
      if (theirs.length !== proofBytes || !timingSafeEqual(theirs, expected)) {
        throw new AuthenticationError(
          "The server refused the authkey: pass the manager's own `env` or the same `authkey`",
        );
      }
      const answer = prove(credentials.authkey, "server", nonce, own);
      const told = welcome({
        maxMessageBytes: count(proof, "maxMessageBytes"),
        pid: Number(proof["pid"]) || undefined,
      }, self);
      writeBytes(self.output, Kind.Proven, answer);
      writeJson(self.output, Kind.Welcome, told);
    });
    self.flush();
    done();
  });
}

/** Tells an unauthenticated peer why the connection ends. */
export function writeRefusal(connection: Connection, error: Error): void {
  writeJson(connection.output, Kind.Refused, {
    name: error instanceof ManagerError ? error.name : "ProtocolError",
    message: error.message.slice(0, 512),
  });
}

type Step<T> = (
  kind: number,
  fields: Fields,
  done: (result: T) => void,
  connection: Connection,
) => void;

/** Runs the steps of one side until `done`, or the connection's end. */
function handshake<T>(
  connect: (receiver: Receiver) => Connection,
  { timeout, late = `The handshake was not finished after ${timeout} ms` }: Credentials,
  step: Step<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const connection = connect({
      message: (kind, fields) => step(kind, fields, resolve, connection),
      closed: reject,
    });
    connection.openWithin(timeout, late);
  });
}

function prove(authkey: Uint8Array, role: string, clientNonce: string, server: Hello): Buffer {
  const transcript = [
    role,
    clientNonce,
    server.nonce,
    server.version,
    server.serializer,
    server.epoch,
  ];
  return createHmac("sha256", authkey).update(JSON.stringify(transcript)).digest();
}

/** Runs a check of the server; a failure is told to the client before the connection ends. */
function refuse(connection: Connection, check: () => void): void {
  try {
    check();
  } catch (error) {
    writeRefusal(connection, error as Error);
    connection.end(error as Error, refusedPatience);
    throw error;
  }
}

function refusal(fields: Fields): Error {
  const told = fields.json();
  const Class = managerErrors.get(text(told, "name")) ?? ProtocolError;
  return new Class(text(told, "message"));
}

function refuseMismatch(
  their: string,
  hello: { version?: unknown; serializer?: unknown },
  our: string,
  serializer: string,
): void {
  if (hello.version !== protocolVersion) {
    throw new ProtocolError(
      `The ${their} speaks version "${hello.version}" of the protocol, the ${our} version "${protocolVersion}": use the same release of @referent/manager on both sides`,
    );
  }
  if (hello.serializer !== serializer) {
    throw new ProtocolError(
      `The ${their} uses the serializer "${hello.serializer}", the ${our} "${serializer}": pass the same \`serializer\` on both sides`,
    );
  }
}

function readHello(value: Record<string, unknown>): Hello {
  return {
    version: count(value, "version"),
    serializer: text(value, "serializer"),
    epoch: text(value, "epoch"),
    nonce: text(value, "nonce"),
  };
}

function readWelcome(value: Record<string, unknown>): Welcome {
  const types = value["types"];
  if (!isObject(types) || !Object.values(types).every(isObject)) {
    throw new ProtocolError("Cannot read the server's welcome: it has no types");
  }
  return {
    session: text(value, "session"),
    maxMessageBytes: count(value, "maxMessageBytes"),
    types: types as Welcome["types"],
  };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function text(value: Record<string, unknown>, name: string): string {
  const found = value[name];
  if (typeof found !== "string") throw new ProtocolError(`The handshake has no "${name}"`);
  return found;
}

function count(value: Record<string, unknown>, name: string): number {
  const found = value[name];
  if (typeof found !== "number" || !(found > 0)) {
    throw new ProtocolError(`The handshake has no "${name}"`);
  }
  return found;
}
