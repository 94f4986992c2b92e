/**
 * How a client comes to its end: who wished it, what the server said, and so what those are told who
 * wait or come later.
 *
 * Above: client.ts. Below: the errors.
 *
 * @module
 */

import { ConnectionClosedError } from "../errors.ts";
import type { Ended } from "./options.ts";

/** What one client knows of its end. */
export class Ending {
  /** This client was closed. */
  closing = false;
  /** This client asked the server to end. */
  shuttingDown = false;
  /** What the server said when it ended in order. */
  farewell: string | undefined;

  /** What everybody is told who asks how it ended; the connection was closed for this reason. */
  describe(reason: Error): Ended {
    if (this.closing) return { by: "close" };
    if (this.shuttingDown) return { by: "shutdown" };
    if (this.farewell === undefined) return { by: "lost", error: reason };
    return {
      by: "server",
      error: new ConnectionClosedError(`The server ended: ${this.farewell}`),
    };
  }

  /** What a call fails with, of this name, that the end has cut off or that comes after it. */
  error(call: string, address: string, reason: Error): ConnectionClosedError {
    const why = this.shuttingDown
      ? "this manager shut the server down"
      : this.farewell === undefined
      ? reason.message
      : `the server ended: ${this.farewell}`;
    return new ConnectionClosedError(
      `Cannot finish ${call}: the connection to "${address}" is closed: ${why}`,
      { cause: reason },
    );
  }
}
