/**
 * The output of a server process: its readiness line, its tail for error messages, and where the
 * rest goes.
 *
 * Above: `spawn.ts`, `launch.ts`. Below: pipes and files.
 *
 * @module
 */

import type { ChildProcess } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { writeStderr } from "../runtime.ts";

/** How much of the output is kept for error messages. */
const tailBytes = 64 * 1024;

/** How often a log file is looked at while the server starts, in milliseconds. */
const pollInterval = 10;

/** What a server process writes. */
export interface Output {
  /** What the readiness line said; stays pending if there never is one. */
  readonly ready: Promise<Record<string, unknown>>;
  /** What the readiness line said, if it is there by now. */
  readyNow(): Record<string, unknown> | undefined;
  /** The last 64 KiB, without the readiness line. */
  tail(): string;
  /** Reading it no longer keeps this process alive. */
  unref(): void;
}

/** Output that comes through pipes. */
export class PipeOutput implements Output {
  readonly ready: Promise<Record<string, unknown>>;
  readonly #child: ChildProcess;
  readonly #tail: Tail = new Tail();
  #found: Record<string, unknown> | undefined;

  constructor(child: ChildProcess, nonce: string, forward: boolean) {
    this.#child = child;
    const pass = (bytes: Uint8Array) => {
      this.#tail.add(bytes);
      if (forward) writeStderr(bytes);
    };
    this.ready = new Promise((resolve) => {
      const found = (ready: Record<string, unknown>) => resolve(this.#found = ready);
      const finder = new LineFinder(nonce, found, pass);
      child.stdout?.on("data", (chunk: Uint8Array) => finder.add(chunk));
      child.stdout?.on("end", () => finder.end());
    });
    child.stderr?.on("data", pass);
    child.stdout?.on("error", () => {});
    child.stderr?.on("error", () => {});
  }

  readyNow(): Record<string, unknown> | undefined {
    return this.#found;
  }

  tail(): string {
    return this.#tail.text();
  }

  unref(): void {
    const { stdin, stdout, stderr } = this.#child;
    // Sockets in Node and Deno; Bun's do not keep the process alive in the first place.
    for (const pipe of [stdin, stdout, stderr]) (pipe as { unref?: () => void } | null)?.unref?.();
  }
}

/** Output that goes into a file, which outlives this process. */
export class FileOutput implements Output {
  readonly ready: Promise<Record<string, unknown>>;
  readonly #path: string;
  /** Where this server's output begins; the file may be older. */
  readonly #start: number;
  readonly #nonce: string;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(path: string, start: number, nonce: string) {
    this.#path = path;
    this.#start = start;
    this.#nonce = nonce;
    this.ready = new Promise((resolve) => {
      this.#timer = setInterval(() => {
        const found = this.readyNow();
        if (found !== undefined) resolve(found);
      }, pollInterval);
    });
  }

  readyNow(): Record<string, unknown> | undefined {
    for (const line of this.#read(Infinity).split("\n")) {
      const ready = readyLine(line, this.#nonce);
      if (ready !== undefined) return ready;
    }
  }

  tail(): string {
    const lines = this.#read(tailBytes).split("\n");
    return lines.map((line) => line.split(this.#nonce, 1)[0]).join("\n");
  }

  unref(): void {
    clearInterval(this.#timer);
  }

  /** The end of what this server wrote; nothing if somebody removed the file. */
  #read(maxBytes: number): string {
    let file: number;
    try {
      file = openSync(this.#path, "r");
    } catch {
      return "";
    }
    try {
      const { size } = fstatSync(file);
      const start = Math.max(this.#start, size - maxBytes);
      const bytes = new Uint8Array(Math.max(0, size - start));
      const length = readSync(file, bytes, 0, bytes.length, start);
      return new TextDecoder().decode(bytes.subarray(0, length));
    } finally {
      closeSync(file);
    }
  }
}

/** Keeps the end of a stream of bytes. */
export class Tail {
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes - this.#chunks[0]!.length >= tailBytes) {
      this.#bytes -= this.#chunks.shift()!.length;
    }
  }

  text(): string {
    const decoder = new TextDecoder();
    const text = this.#chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("");
    return text.slice(-tailBytes);
  }
}

/** Finds the readiness line in stdout; everything else is passed on. */
class LineFinder {
  readonly #nonce: string;
  readonly #found: (ready: Record<string, unknown>) => void;
  readonly #pass: (bytes: Uint8Array) => void;
  #partial: Uint8Array[] = [];
  #done = false;

  constructor(
    nonce: string,
    found: (ready: Record<string, unknown>) => void,
    pass: (bytes: Uint8Array) => void,
  ) {
    this.#nonce = nonce;
    this.#found = found;
    this.#pass = pass;
  }

  add(chunk: Uint8Array): void {
    let rest = chunk;
    while (!this.#done) {
      const newline = rest.indexOf(10);
      if (newline < 0) break;
      this.#partial.push(rest.subarray(0, newline + 1));
      rest = rest.subarray(newline + 1);
      this.#line();
    }
    if (rest.length === 0) return;
    if (this.#done) this.#pass(rest);
    else this.#partial.push(rest);
  }

  /** The stream ended; a line without an end is output. */
  end(): void {
    for (const part of this.#partial.splice(0)) this.#pass(part);
  }

  #line(): void {
    const parts = this.#partial.splice(0);
    const decoder = new TextDecoder();
    const line = parts.map((part) => decoder.decode(part, { stream: true })).join("");
    const ready = readyLine(line, this.#nonce);
    if (ready === undefined) return parts.forEach((part) => this.#pass(part));
    this.#done = true;
    const before = line.slice(0, line.indexOf(this.#nonce));
    if (before !== "") this.#pass(new TextEncoder().encode(before));
    this.#found(ready);
  }
}

/** What the line says if it is, or ends with, the readiness line: the nonce and an object as JSON. */
function readyLine(line: string, nonce: string): Record<string, unknown> | undefined {
  const start = line.indexOf(`${nonce} `);
  if (start < 0) return undefined;
  try {
    const ready: unknown = JSON.parse(line.slice(start + nonce.length + 1));
    if (typeof ready === "object" && ready !== null) return ready as Record<string, unknown>;
  } catch {
    // Something else printed the nonce.
  }
}
