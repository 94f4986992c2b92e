/**
 * What a parent tells its child before they can talk: where it waits, and the key of that
 * connection. In the environment of a process, in the `workerData` of a thread.
 *
 * Above: `launch.ts`, `main.ts`. Below: the environment.
 *
 * @module
 */

import { workerData } from "node:worker_threads";
import { takeParentVariable } from "../runtime.ts";
import { authkeyBytes, authkeyText } from "../wire/auth.ts";

/** Where to go, and with which key. */
export interface Invitation {
  readonly address: string;
  readonly authkey: Uint8Array;
}

const field = "referentParent";

/** As the variable says it: the address, a space, the key. */
export function writeInvitation({ address, authkey }: Invitation): string {
  return `${authkeyText(authkey)} ${address}`;
}

/** As a thread is given it. */
export function threadData(invitation: Invitation): Record<string, string> {
  return { [field]: writeInvitation(invitation) };
}

/** The invitation of this process or thread, once; undefined if there is none. */
export function takeInvitation(): Invitation | undefined {
  const text = (workerData as Record<string, unknown> | null)?.[field] ?? takeParentVariable();
  if (typeof text !== "string") return undefined;
  const space = text.indexOf(" ");
  return { authkey: authkeyBytes(text.slice(0, space)), address: text.slice(space + 1) };
}
