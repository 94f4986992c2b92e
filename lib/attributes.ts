/**
 * Attribute access of a namespace proxy: `await ns.x`, `ns.x = v`. The only ES Proxy of the library.
 *
 * Above: proxy.ts. Below: a proxy with the methods `get`, `set` and `delete`.
 *
 * @module
 */

interface Target {
  get(name: string): Promise<unknown>;
  set(name: string, value: unknown): Promise<unknown>;
  delete(name: string): Promise<unknown>;
}

/** Keeps the operations of one proxy in order and remembers a write that failed. */
export class Operations {
  /** A write that waits for its value; later operations wait for it. */
  #tail: Promise<unknown> | undefined;
  #failure: { error: unknown } | undefined;

  /** Runs an operation whose result the user awaits; it also reports a failed write before it. */
  read(operation: () => Promise<unknown>): Promise<unknown> {
    const result = this.#tail ? this.#tail.then(operation) : operation();
    return result.then(
      (value) => {
        this.#report();
        return value;
      },
      (error) => {
        this.#report();
        throw error;
      },
    );
  }

  /** Runs a write that nobody awaits. */
  write(operation: (value: unknown) => Promise<unknown>, value: unknown): void {
    const waits = this.#tail !== undefined || isPromise(value);
    const written = waits
      ? Promise.all([value, this.#tail]).then(([settled]) => operation(settled))
      : operation(value);
    const settled = written.catch((error) => {
      this.#failure ??= { error };
    });
    if (!waits) return;
    const tail: Promise<void> = settled.then(() => {
      if (this.#tail === tail) this.#tail = undefined;
    });
    this.#tail = tail;
  }

  #report(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }
}

function isPromise(value: unknown): boolean {
  return typeof (value as PromiseLike<unknown> | null)?.then === "function";
}

/** Wraps a proxy so that names it does not have are attributes. `_x` stays local. */
export function attributesOf(proxy: object, operations: Operations): object {
  const target = proxy as Target;
  const local = new Map<string, unknown>();
  const methods = new Map<string, unknown>();
  for (const name of ["get", "set", "delete", "keys"] as const) {
    const method =
      (target as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[name];
    if (!method) continue;
    methods.set(name, (...args: unknown[]) => operations.read(() => method.apply(target, args)));
  }
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === "symbol") return Reflect.get(target, name);
      if (name === "then") return undefined;
      if (name === "toJSON") return Reflect.get(target, name);
      if (name.startsWith("_")) return local.get(name);
      return methods.get(name) ?? operations.read(() => target.get(name));
    },
    set(_, name, value) {
      if (typeof name === "symbol") return false;
      if (methods.has(name) || name === "then" || name === "toJSON") {
        throw new TypeError(
          `Cannot assign to "${name}" of a namespace, the name has a meaning of its own: write await ns.set("${name}", value)`,
        );
      }
      if (name.startsWith("_")) local.set(name, value);
      else operations.write((settled) => target.set(name, settled), value);
      return true;
    },
    deleteProperty(_, name) {
      if (typeof name === "symbol") return false;
      if (name.startsWith("_")) local.delete(name);
      else operations.write(() => target.delete(name), undefined);
      return true;
    },
    has(_, name) {
      return typeof name === "string" && name.startsWith("_") ? local.has(name) : name in target;
    },
    defineProperty: () => false,
  });
}
