/**
 * Values on the command line: arguments as JSON or text, results for people or as JSON. What JSON
 * cannot say has the form of the serializer `json`: `{"$": ["date", 0]}`. Pure functions.
 *
 * Above: call.ts. Below: the serializer, Python's spelling.
 *
 * @module
 */

import { SerializeError } from "../errors.ts";
import { represent } from "../objects/represent.ts";
import { isProxy, repr } from "../proxy.ts";
import { json, type References } from "../wire/serializer.ts";
import { UsageError } from "./command.ts";
import { escapeJson, printable } from "./text.ts";

/** An argument: what it says as JSON, or the text itself where it is none. */
export function readArgument(text: string): unknown {
  if (!isJson(text)) return text;
  try {
    return json.decode(new TextEncoder().encode(text), noReferences);
  } catch (error) {
    const reason = error instanceof Error ? ` (${error.message})` : "";
    throw new UsageError(
      `The argument "${text}" is JSON, but no value${reason}: "$" is the only key of what JSON cannot say, as in {"$":["bigint","ff"]}; to pass the text, put it between double quotes`,
      { cause: error },
    );
  }
}

/** A result in Python's spelling, as in `[1, 'two', None]`. */
export function showResult(value: unknown): string {
  // An error, and what has a toString, choose their own text.
  return printable(isProxy(value) ? repr(value) : represent(value));
}

/** A result as JSON. A proxy is `{"$": ["proxy", "<ListProxy object, ...>"]}`. */
export function resultAsJson(value: unknown): string {
  const proxies: object[] = [];
  const references: References = {
    indexOf: (candidate) => isProxy(candidate) ? proxies.push(candidate) - 1 : undefined,
    at: noReferences.at,
  };
  try {
    const text = new TextDecoder().decode(json.encode(value, references));
    return escapeJson(proxies.length === 0 ? text : nameProxies(text, proxies));
  } catch (error) {
    // A guard or a lease: it is of no use beyond this process, which is about to end.
    if (!(error instanceof SerializeError)) throw error;
    return escapeJson(JSON.stringify({ $: ["object", represent(value)] }));
  }
}

const noReferences: References = {
  indexOf: () => undefined,
  at: () => {
    throw new TypeError("a proxy cannot be passed by its number");
  },
};

function nameProxies(text: string, proxies: readonly object[]): string {
  const named = JSON.parse(text, (_, value) => {
    const tagged: unknown = value?.$;
    if (!Array.isArray(tagged) || tagged[0] !== "reference") return value;
    return { $: ["proxy", repr(proxies[tagged[1]])] };
  });
  return JSON.stringify(named);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
