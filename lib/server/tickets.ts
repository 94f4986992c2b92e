/**
 * Tickets: printable strings that stand for an object until their uses are spent or their time is
 * over, whatever happens to who made them.
 *
 * Above: control.ts. Below: registry.ts.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { clearTimeout, setTimeout } from "node:timers";
import { UnknownObjectError } from "../errors.ts";
import type { TicketOptions } from "../call_options.ts";
import type { Entry, Registry } from "./registry.ts";

interface Ticket {
  readonly entry: Entry;
  /** The session that it ends with. */
  readonly bound: string | undefined;
  uses: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** What a ticket says. */
export interface TicketText {
  readonly address: string;
  readonly epoch: string;
  readonly secret: string;
}

const prefix = "referent-ticket:";
/** How many tickets that are over are remembered, for a message that says why. */
const maxRemembered = 10_000;

/** The tickets of one server. */
export class Tickets {
  readonly #registry: Registry;
  readonly #tickets = new Map<string, Ticket>();
  readonly #over = new Map<string, "spent" | "expired">();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** The objects with a ticket, once a ticket. */
  get entries(): Entry[] {
    return [...this.#tickets.values()].map((ticket) => ticket.entry);
  }

  /** Makes a ticket's secret and keeps the object; `session` is who asks. */
  issue(
    entry: Entry,
    { uses = 1, ttl = 60_000, bound = false }: TicketOptions,
    session?: string,
  ): string {
    const secret = randomBytes(18).toString("base64url");
    const timer = setTimeout(() => this.#end(secret, "expired"), ttl);
    timer.unref();
    this.#registry.hold(entry);
    this.#tickets.set(secret, { entry, uses, timer, bound: bound ? session : undefined });
    return secret;
  }

  /** The object of a ticket; takes one use. The error says whether it is unknown, spent or expired. */
  redeem(secret: unknown): Entry {
    const ticket = this.#tickets.get(String(secret));
    if (!ticket) {
      const why = this.#over.get(String(secret)) ?? "unknown";
      throw new UnknownObjectError(
        `The ticket is ${why}: ask for a new one with \`await exportProxy(proxy, { uses, ttl })\``,
      );
    }
    if (--ticket.uses === 0) this.#end(String(secret), "spent");
    return ticket.entry;
  }

  /** Ends a ticket before its time; nothing happens if it is over. */
  revoke(secret: unknown): void {
    if (this.#tickets.has(String(secret))) this.#end(String(secret), "expired");
  }

  /** Ends the tickets that are bound to a session that is over. */
  sessionEnded(session: string): void {
    for (const [secret, { bound }] of this.#tickets) {
      if (bound === session) this.#end(secret, "expired");
    }
  }

  /** Ends all tickets. */
  clear(): void {
    for (const secret of [...this.#tickets.keys()]) this.#end(secret, "expired");
  }

  #end(secret: string, why: "spent" | "expired"): void {
    const ticket = this.#tickets.get(secret)!;
    clearTimeout(ticket.timer);
    this.#tickets.delete(secret);
    this.#over.set(secret, why);
    if (this.#over.size > maxRemembered) this.#over.delete(this.#over.keys().next().value!);
    // A redeemed entry is credited to its session in this turn, before it could be collected.
    this.#registry.letGo(ticket.entry);
  }
}

/** The printable form of a ticket. */
export function writeTicket(ticket: TicketText): string {
  return prefix + Buffer.from(JSON.stringify(ticket)).toString("base64url");
}

/** Reads a ticket's printable form; anything else is a TypeError. */
export function readTicket(text: unknown): TicketText {
  const refuse = (cause?: unknown) =>
    new TypeError(
      `"${String(text).slice(0, 40)}" is no ticket: pass what \`await exportProxy(proxy)\` gave`,
      { cause },
    );
  if (typeof text !== "string" || !text.startsWith(prefix)) throw refuse();
  let ticket: TicketText;
  try {
    ticket = JSON.parse(Buffer.from(text.slice(prefix.length), "base64url").toString());
  } catch (cause) {
    throw refuse(cause);
  }
  const { address, epoch, secret } = ticket ?? {};
  if (![address, epoch, secret].every((field) => typeof field === "string")) throw refuse();
  return ticket;
}
