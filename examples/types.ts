/**
 * The classes that the examples share. The server imports this module, so it holds only
 * definitions. Your own code imports from "@referent/manager".
 *
 * @module
 */
import { type Caller, defineTypes, typeid } from "../mod.ts";

/** Python's documentation registers such a class as `Maths`. */
export class Maths {
  add(x: number, y: number): number {
    return x + y;
  }
  mul(x: number, y: number): number {
    return x * y;
  }
}

/** An exception that keeps its class on the way to the caller. */
export class OverdrawnError extends Error {
  missing = 0;
}

/** Its methods are synchronous, so each of them is atomic. */
export class Account {
  #balance = 0; // `#` hides it; TypeScript's `private` would hide nothing
  deposit(amount: number): number {
    return this.#balance += amount;
  }
  withdraw(amount: number): number {
    const missing = amount - this.#balance;
    if (missing <= 0) return this.#balance -= amount;
    throw Object.assign(new OverdrawnError(`the account lacks ${missing}`), { missing });
  }
  toString(): string {
    return `Account(${this.#balance})`; // what str(proxy) prints
  }
}

/** A bank gives out accounts, by proxy. */
export class Bank {
  #accounts: Map<string, Account> = new Map();
  open(owner: string): Account {
    if (!this.#accounts.has(owner)) this.#accounts.set(owner, new Account());
    return this.#accounts.get(owner)!;
  }
  owners(): string[] {
    return [...this.#accounts.keys()];
  }
  *notes(amount: number): Generator<number> {
    for (const note of [50, 20, 10, 5]) {
      for (; amount >= note; amount -= note) yield note;
    }
  }
  [Symbol.iterator](): Iterator<string> {
    return this.#accounts.keys();
  }
}

/** With `caller: true` a method learns who calls, and when the caller gives up. */
export class Counter {
  patience(seconds: number, caller: Caller): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve("at last"), seconds * 1000);
      caller.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(caller.signal.reason);
      });
    });
  }
}

export default defineTypes(import.meta.url, {
  Maths,
  Account,
  OverdrawnError,
  // `open` gives a proxy of the very account, `owners` one of a shared list made of a copy.
  Bank: typeid(Bank, { methodToTypeid: { open: "Account", owners: "list" } }),
  Counter: typeid(Counter, { caller: true }),
});
