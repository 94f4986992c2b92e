/**
 * `Pipe`: makes a pipe, which is a small server in this process that has nothing but the two ends. It
 * ends when both are closed, or nobody has them any more.
 *
 * Above: users. Below: connection.ts, pipe_end.ts, server/server.ts.
 *
 * @module
 */

import { checkNames, checkObject } from "../call_options.ts";
import { debug } from "../debug.ts";
import { ConnectionClosedError } from "../errors.ts";
import { defaultLimits, resolveLimits } from "../limits.ts";
import { connect } from "../manager/connect.ts";
import { ManagerFacade } from "../manager/facade.ts";
import { count, flag } from "../objects/arguments.ts";
import { ObjectServer } from "../server/server.ts";
import { randomAuthkey } from "../wire/auth.ts";
import { messagePack } from "../wire/serializer.ts";
import { atExit } from "./at_exit.ts";
import { type Connection, PipeConnection } from "./connection.ts";
import { Parcels } from "./parcel.ts";
import { Channel, type Discard, endDefinition, endTypeid, PipeEnd } from "./pipe_end.ts";
import { cannotListen } from "./start_error.ts";

/** Options of a {@linkcode Pipe}. */
export interface PipeOptions {
  /** `false`: the first connection only receives and the second only sends. Default `true`. */
  duplex?: boolean;
  /**
   * How many messages each direction holds unread, at most; `send` waits while they are more, or are
   * 1 MiB together. Default 1 000.
   */
  maxSize?: number;
}

const defaultMaxSize = 1000;

/** Milliseconds that the last answers have to leave when a pipe ends. */
const shutdownTimeout = 1000;

/**
 * Makes a pipe: two connections, of which usually at least one is given to another process. Messages
 * pass through the process that made it and end with it, so that has to live as long as they are
 * wanted. An idle pipe does not keep it alive. Python: `multiprocessing.Pipe`.
 *
 * @example
 * ```ts
 * import { Pipe } from "@referent/manager/process";
 *
 * const [a, b] = await Pipe<string>();
 * await a.send("hello"); // usually b is in the args of a Process
 * await a.close();
 * for await (const text of b) console.log(text); // hello
 * await b.close();
 * ```
 *
 * @throws {TypeError} An option is unknown or bad.
 * @throws {RangeError} `maxSize` is less than 1.
 */
export function Pipe<M = unknown>(
  options: PipeOptions & { duplex: false },
): Promise<[Connection<never, M>, Connection<M, never>]>;
/** A pipe in both directions; `A` is what the first connection sends, `B` what the second sends. */
export function Pipe<A = unknown, B = A>(
  options?: PipeOptions & { duplex?: true },
): Promise<[Connection<A, B>, Connection<B, A>]>;
export async function Pipe(options: PipeOptions = {}): Promise<unknown> {
  const { duplex, maxSize } = checkPipeOptions(options);
  const parcels = new Parcels();
  const discard: Discard = (parcel) => void parcels.discard(parcel);
  const toFirst = new Channel(maxSize, discard);
  const toSecond = duplex ? new Channel(maxSize, discard) : undefined;
  const ends = [
    new PipeEnd(toFirst, toSecond, () => closed(0)),
    new PipeEnd(toSecond, toFirst, () => closed(1)),
  ];
  const server = makeServer(ends);
  const open = new Set([0, 1]);
  const closed = (index: number) => {
    if (open.delete(index) && open.size === 0) endSoon(server);
  };
  await server.listen({ address: undefined, background: true }).catch((error) => {
    throw cannotListen("make a pipe", error);
  });
  closeAtExit(server);
  try {
    const client = ManagerFacade.clientOf(await connect({ env: server.owner.env }))!;
    const proxies = ends.map((_, index) => client.callServer("create", [endTypeid, [index]]));
    return (await Promise.all(proxies)).map((end) => new PipeConnection(end as object, parcels));
  } catch (error) {
    await server.close(error as Error);
    throw error;
  }
}

function makeServer(ends: readonly PipeEnd[]): ObjectServer {
  return new ObjectServer({
    authkey: randomAuthkey(),
    serializer: messagePack,
    // What came in as arguments goes out with a number beside it.
    limits: resolveLimits({ maxMessageBytes: defaultLimits.maxMessageBytes - 1024 }),
    types: new Map([[endTypeid, { definition: endDefinition(ends) }]]),
    errors: new Map(),
    shutdownTimeout,
  });
}

/** After the reply to whoever closed the second end is written. */
function endSoon(server: ObjectServer): void {
  const reason = new ConnectionClosedError("both ends of the pipe are closed");
  Promise.resolve().then(() => server.close(reason)).catch((error) => {
    debug("a pipe did not end", () => String(error));
  });
}

/** A program may end and leave its pipes open: their sockets go with it. */
function closeAtExit(server: ObjectServer): void {
  const reason = new ConnectionClosedError("its process has ended");
  server.closed.then(atExit(() => void server.close(reason)));
}

function checkPipeOptions(options: PipeOptions): Required<PipeOptions> {
  checkObject(options, "{ duplex, maxSize }");
  checkNames("Pipe()", options, ["duplex", "maxSize"]);
  const { duplex = true, maxSize = defaultMaxSize } = options;
  return {
    duplex: flag(duplex, 'The option "duplex"'),
    maxSize: count(maxSize, 1, 'The option "maxSize"'),
  };
}
