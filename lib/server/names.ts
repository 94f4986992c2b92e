/**
 * Named objects: kept until somebody unpublishes them. Finding or creating is one step, so that
 * concurrent callers meet the same object.
 *
 * Above: control.ts. Below: registry.ts.
 *
 * @module
 */

import { NameTakenError } from "../errors.ts";
import type { Entry, Registry } from "./registry.ts";

interface Creation {
  readonly typeid: string;
  readonly entry: Promise<Entry>;
}

/** The named objects of one server. */
export class Names {
  readonly #registry: Registry;
  readonly #maxNameBytes: number;
  readonly #entries = new Map<string, Entry>();
  readonly #creations = new Map<string, Creation>();

  constructor(registry: Registry, maxNameBytes: number) {
    this.#registry = registry;
    this.#maxNameBytes = maxNameBytes;
  }

  /** The names and their objects. */
  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries;
  }

  /** The object of this name, or undefined. */
  lookup(name: unknown): Entry | undefined {
    return this.#entries.get(this.#checked(name));
  }

  /** Gives an object a name. The same object again is no change; another one needs `replace`. */
  publish(name: unknown, entry: Entry, replace: boolean): void {
    const key = this.#checked(name);
    const taken = this.#entries.get(key);
    if (taken === entry) return;
    if ((taken && !replace) || this.#creations.has(key)) {
      throw new NameTakenError(
        `Cannot publish ${String(entry.proxy)} as "${key}": the name belongs to ${
          taken ? String(taken.proxy) : "an object in the making"
        }; pass { replace: true } to take it over`,
      );
    }
    this.#registry.hold(entry);
    this.#entries.set(key, entry);
    if (taken) this.#registry.letGo(taken);
  }

  /** Takes a name away; false if there was none. */
  unpublish(name: unknown): boolean {
    const key = this.#checked(name);
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#entries.delete(key);
    this.#registry.letGo(entry);
    return true;
  }

  /** The object of this name, made by `create` if there is none. A failure keeps no name. */
  findOrCreate(
    name: unknown,
    typeid: string,
    create: () => Entry | Promise<Entry>,
  ): Entry | Promise<Entry> {
    const key = this.#checked(name);
    const entryOfName = this.#entries.get(key);
    const found = entryOfName ?? this.#creations.get(key);
    if (found) {
      if (found.typeid !== typeid) {
        throw new TypeError(
          `"${key}" has the typeid "${found.typeid}", not "${typeid}": use named("${key}").${found.typeid}(...)`,
        );
      }
      return entryOfName ?? (found as Creation).entry;
    }
    const made = create();
    if (!(made instanceof Promise)) {
      this.publish(key, made, false);
      return made;
    }
    const entry = made.then(
      (settled) => {
        this.#creations.delete(key);
        this.publish(key, settled, false);
        return settled;
      },
      (error) => {
        this.#creations.delete(key);
        throw error;
      },
    );
    this.#creations.set(key, { typeid, entry });
    return entry;
  }

  #checked(name: unknown): string {
    if (typeof name !== "string" || name === "") {
      throw new TypeError(`A name must be a string that is not empty, got "${String(name)}"`);
    }
    const bytes = new TextEncoder().encode(name).length;
    if (bytes > this.#maxNameBytes) {
      throw new RangeError(
        `The name "${
          name.slice(0, 40)
        }..." has ${bytes} bytes, the limit is ${this.#maxNameBytes} (limit maxNameBytes)`,
      );
    }
    return name;
  }
}
