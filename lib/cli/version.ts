/**
 * The version of the library: the same as in deno.json, which a test makes sure of.
 *
 * Above: main.ts. Below: nothing.
 *
 * @module
 */

/** What `referent --version` prints. */
export const version: string = "0.1.0";
