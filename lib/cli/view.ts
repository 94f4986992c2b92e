/**
 * One look at a server for people: a sample as lines of text. Pure.
 *
 * Above: top.ts. Below: sample.ts, text.ts.
 *
 * @module
 */

import type { CallInfo } from "../server/session.ts";
import type { Sample, Waited } from "./sample.ts";
import { type Cell, duration, printable, table } from "./text.ts";

/** How many of the slowest methods are shown. */
const maxMethods = 10;

/** The whole view, the most urgent first: it is cut off where the screen ends. */
export function viewOf(sample: Sample): string[] {
  return [
    ...heading(sample),
    ...suspects(sample),
    ...locks(sample),
    ...queues(sample),
    ...waits(sample),
    ...sessions(sample),
    ...methods(sample),
    ...objects(sample),
  ];
}

/** The lines as they are drawn over the ones before: cut to the screen, nothing old left. */
export function redrawn(
  lines: readonly string[],
  { columns, rows }: { columns: number; rows: number },
): string {
  const home = "\x1b[H";
  const restOfLine = "\x1b[K";
  const restOfScreen = "\x1b[J";
  const shown = lines.slice(0, rows - 1).map((line) => line.slice(0, columns));
  return `${home}${shown.map((line) => `${line}${restOfLine}\n`).join("")}${restOfScreen}`;
}

function heading({ address, pid, runtime, uptime, objects, sessions, calls }: Sample): string[] {
  return [
    printable(`${address}  pid ${pid}  ${runtime}  up ${duration(uptime)}`),
    `sessions ${Object.keys(sessions).length}, objects ${objects.total}, calls ${calls.total} (${
      calls.perSecond.toFixed(1)
    }/s)`,
  ];
}

function suspects({ suspects }: Sample): string[] {
  return section(
    ["SUSPECT OF DEADLOCK", "WAITS FOR", "HELD BY"],
    suspects.map(({ session, waitsFor, heldBy }) => [session, waitsFor, heldBy]),
  );
}

function locks({ locks }: Sample): string[] {
  const busy = locks.filter(({ holders, waiters }) => holders.length + waiters.length > 0);
  return section(
    ["LOCK", "HELD BY", "WAITERS"],
    busy.map((lock) => [
      nameOf(lock),
      lock.holders.map(({ session, shared, levels }) =>
        `${session}${shared ? " shared" : ""}${levels > 1 ? ` x${levels}` : ""}`
      ).join(", ") || "-",
      waitersOf(lock.waiters),
    ]),
  );
}

function queues({ queues }: Sample): string[] {
  const columns = [...new Set(queues.flatMap(({ depth }) => Object.keys(depth)))];
  return section(
    ["QUEUE", ...columns.map((column) => column.toUpperCase())],
    queues.map((queue) => [nameOf(queue), ...columns.map((column) => queue.depth[column] ?? "-")]),
  );
}

function waits({ waits }: Sample): string[] {
  return section(
    ["WAITED FOR", "WAITERS"],
    waits.map((object) => [nameOf(object), waitersOf(object.waiters)]),
  );
}

function sessions({ sessions }: Sample): string[] {
  const rows = Object.entries(sessions);
  const columns = [...new Set(rows.flatMap(([, counts]) => Object.keys(counts)))];
  return section(
    ["SESSION", ...columns.map((column) => column.toUpperCase())],
    rows.map(([id, counts]) => [id, ...columns.map((column) => counts[column] ?? "-")]),
  );
}

function methods({ calls }: Sample): string[] {
  return section(
    ["SLOWEST METHOD", "MEAN MS", "CALLS", "CALLS/S", "TOTAL MS"],
    calls.methods.slice(0, maxMethods).map((
      { method, meanTime, calls, perSecond, time },
    ) => [method, meanTime, calls, perSecond, time]),
  );
}

function objects({ objects }: Sample): string[] {
  const rows = Object.entries(objects.byTypeid).sort(([, a], [, b]) => b - a);
  return section(["TYPEID", "OBJECTS"], rows);
}

function section(headings: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  return rows.length === 0 ? [] : ["", ...table(headings, rows)];
}

function nameOf({ id, typeid, names }: Waited): string {
  return [`${typeid} 0x${id.toString(16)}`, ...names.map((name) => `"${name}"`)].join(" ");
}

function waitersOf(waiters: readonly CallInfo[]): string {
  return waiters.map(({ session, method, time }) => `${session} ${method} ${duration(time)}`)
    .join(", ") || "-";
}
