/**
 * What a server is told at its start, and how it turns that into typeids: the modules of users are
 * imported here and nowhere else.
 *
 * Above: main.ts and manager/. Below: types.ts, the table of built-ins.
 *
 * @module
 */

import type { ErrorClass } from "../exceptions.ts";
import type { Limits } from "../limits.ts";
import { builtins } from "../objects/builtins.ts";
import type { Definition } from "../objects/definition.ts";
import { findTypeSets, type Types, typesOf } from "../types.ts";
import { json, messagePack, type Serializer } from "../wire/serializer.ts";
import type { TlsOptions } from "../wire/transport.ts";
import type { RegisteredType } from "./registry.ts";

/** A function that runs once in the server before it listens. Python: `initializer` of `start()`. */
export interface Initializer {
  /** The URL of the module that exports it, such as `import.meta.resolve("./setup.ts")`. */
  readonly module: string;
  /** The name of the export. Default `default`. */
  readonly export?: string;
  /** Its arguments: values that JSON can carry. */
  readonly args?: readonly unknown[];
}

/** The first line on the stdin of a server process, as JSON. */
export interface ServerConfig {
  /** The word that the readiness line begins with. */
  readonly nonce: string;
  readonly address: string;
  readonly makeDirectory: boolean;
  readonly tls?: TlsOptions;
  /** As in `REFERENT_AUTHKEY`. */
  readonly authkey: string;
  /** The name; a user's serializer is looked for among the exports of `modules`. */
  readonly serializer: string;
  readonly limits: Partial<Limits>;
  /** The modules to import, and the typeids that each must define. */
  readonly modules: Types["modules"];
  readonly builtins: boolean;
  readonly shutdownTimeout: number;
  readonly idleTimeout?: number;
  readonly initializer?: Initializer;
  /** URLs of the modules whose tasks its pools run, in workers; the server never imports them. */
  readonly tasks: readonly string[];
  /** Permissions of its Deno workers beside the least. */
  readonly workerPermissions?: "all" | readonly string[];
  /** The server outlives its starter. */
  readonly detached: boolean;
  /** The directory of its name: it outlives a starter that has given it the name. */
  readonly namedDirectory?: string;
}

/** What a server registers. */
export interface Registration {
  readonly types: ReadonlyMap<string, RegisteredType>;
  readonly errors: ReadonlyMap<string, ErrorClass>;
}

/** The built-in serializers by name. */
export const serializers: ReadonlyMap<string, Serializer> = new Map(
  [messagePack, json].map((serializer) => [serializer.name, serializer]),
);

/** Registers the built-ins, unless they are not wanted, with the pools of this server, and users' types. */
export function register(types: Types, withBuiltins: boolean, pool?: Definition): Registration {
  const all = new Map<string, RegisteredType>();
  if (withBuiltins) {
    for (const [typeid, definition] of builtins) all.set(typeid, { definition });
    if (pool) all.set("pool", { definition: pool });
  }
  for (const [typeid, definition] of types.definitions) {
    const module = types.modules.find(({ typeids }) => typeids.includes(typeid))?.url;
    all.set(typeid, { definition, module });
  }
  for (const [typeid, { definition }] of all) {
    for (const [method, shared] of Object.entries(definition.methodToTypeid ?? {})) {
      if (all.has(shared)) continue;
      throw new TypeError(
        `The typeid "${typeid}" shares what "${method}" returns as "${shared}", which is no typeid of this server: define it, too`,
      );
    }
  }
  return { types: all, errors: types.errors };
}

/** Imports users' modules and finds their type sets, and the serializer, among the exports. */
export async function load(
  modules: Types["modules"],
  serializerName: string,
): Promise<{ types: Types; serializer: Serializer }> {
  const sets = [];
  let serializer = serializers.get(serializerName);
  for (const { url, typeids } of modules) {
    const exported = await importModule(url);
    const found = findTypeSets(exported).filter((set) => {
      const names = Object.keys(set.definitions);
      return names.some((name) => typeids.includes(name)) || typeids.length === 0;
    });
    const defined = new Set(found.flatMap((set) => Object.keys(set.definitions)));
    const missing = typeids.filter((typeid) => !defined.has(typeid));
    if (missing.length > 0) {
      throw new TypeError(
        `The module "${url}" exports no result of defineTypes() with "${
          missing.join('", "')
        }": write \`export default defineTypes(import.meta.url, { ... })\` there, with the same copy of @referent/manager`,
      );
    }
    sets.push(...found);
    serializer ??= Object.values(exported).find((value) => isSerializer(value, serializerName));
  }
  if (!serializer) {
    throw new TypeError(
      `Unknown serializer "${serializerName}": export it from the module of your types, where the server finds it`,
    );
  }
  return { types: typesOf(sets), serializer };
}

/** Runs the initializer. */
export async function initialize(initializer: Initializer | undefined): Promise<void> {
  if (!initializer) return;
  const { module, export: name = "default", args = [] } = initializer;
  const exported = await importModule(module);
  const run = exported[name];
  if (typeof run !== "function") {
    throw new TypeError(
      `The initializer "${name}" is no function that the module "${module}" exports`,
    );
  }
  await run(...args);
}

async function importModule(url: string): Promise<Record<string, unknown>> {
  return await import(url);
}

function isSerializer(value: unknown, name: string): value is Serializer {
  const candidate = value as Partial<Serializer> | null;
  return typeof candidate === "object" && candidate !== null && candidate.name === name &&
    typeof candidate.encode === "function" && typeof candidate.decode === "function";
}
