/**
 * What differs between the runtimes. The only file that may say Deno, Bun or process.
 *
 * Above: `wire/`, `spawn.ts`, the server's program, the manager. Below: the runtime.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import { createServer, type Socket } from "node:net";
import { basename } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ProcessError } from "./errors.ts";

/** The runtimes in which this library works. */
export type RuntimeName = "deno" | "bun" | "node";

/** The runtime that runs this program. */
export const runtimeName: RuntimeName = process.versions.deno !== undefined
  ? "deno"
  : process.versions.bun !== undefined
  ? "bun"
  : "node";

/** The id of this process. */
export const pid: number = process.pid;

/** How many things this machine can do at the same time. */
export function parallelism(): number {
  try {
    return availableParallelism();
  } catch {
    return 1; // without the permission to ask
  }
}

/** Whether this is Windows, where Unix sockets have no permissions. */
export const isWindows: boolean = process.platform === "win32";

/** A variable of the environment; undefined if it is not set or may not be read. Deno never prompts. */
export function environment(name: string): string | undefined {
  const { Deno: deno } = globalThis as unknown as RuntimeGlobals;
  const permission = deno?.permissions?.querySync({ name: "env", variable: name });
  if (permission && permission.state !== "granted") return undefined;
  return process.env[name];
}

/** Warns whoever reads this process's stderr of something that works but should not be so. */
export function warn(text: string): void {
  process.emitWarning(text, { type: "ReferentWarning" });
}

/**
 * The environment of a child: this process's with some variables changed. Undefined if it is not
 * changed, which needs no permission.
 */
export function childEnvironment(
  changed: Record<string, string>,
): Record<string, string | undefined> | undefined {
  return Object.keys(changed).length === 0 ? undefined : { ...process.env, ...changed };
}

/** The id of this user; undefined where there is none (Windows) or it may not be asked for. */
export function currentUid(): number | undefined {
  try {
    return process.getuid?.();
  } catch {
    return undefined;
  }
}

/** Whether the error is Deno's refusal of something that no `--allow-` flag allows. */
export function isPermissionError(error: unknown): boolean {
  return error instanceof Error && error.name === "NotCapable";
}

/**
 * Runs the action when all that is ready to run has run: later than a microtask, so that what a turn
 * of the event loop issues one after the other goes out in one write, and with no timer.
 */
export function endOfTurn(action: () => void): void {
  process.nextTick(action);
}

/** Writes to this process's stderr. */
export function writeStderr(text: string | Uint8Array): void {
  process.stderr.write(text);
}

/** Ends this process; for the server's program only. */
export function exitProcess(code: number): never {
  process.exit(code);
}

/** Runs the action, which must not wait, when this process or thread ends in order. */
export function onExit(action: () => void): void {
  process.once("exit", action);
}

/** What this process's exit code is when it ends by itself. */
export function setExitCode(code: number): void {
  process.exitCode = code;
}

/** The program of the server process, as source or as built: a `file:` URL, or `https:` on JSR. */
export function serverEntry(): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./server/main.${extension}`, import.meta.url);
}

/** The program of a child: what a `Process` runs ahead of a script, and a worker of a `Pool` is. */
export function childEntry(): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./process/main.${extension}`, import.meta.url);
}

/** Whether this process runs the server's program, as it does while it imports a user's types. */
export function isServerProgram(): boolean {
  return isProgram(serverEntry());
}

/** Whether this process runs this program of the library. */
export function isProgram(entry: URL): boolean {
  const program = process.argv[1];
  return program === entry.href ||
    (entry.protocol === "file:" && program === fileURLToPath(entry));
}

/** How this process was started: the executable and its own flags. */
export interface Executable {
  /** The path of the runtime. */
  path: string;
  /** The runtime's flags, before the script; always empty in Deno, which does not tell. */
  args: string[];
}

/**
 * The runtime that runs this program, to be started once more.
 *
 * @throws {ProcessError} If the executable is not a runtime but a program: it would run itself.
 */
export function thisExecutable(): Executable {
  const path = process.execPath;
  if (isCompiled() || !isRuntimeFile(path)) {
    throw new ProcessError(
      `Cannot start a server with "${path}": it is a compiled or unknown executable, which would ` +
        'run this program again. Name a runtime, as in { runtime: "node" }, or start the server ' +
        "from another program and use Manager.connect()",
    );
  }
  return { path, args: [...process.execArgv] };
}

/** Whether the name of the file is one of a runtime: `node`, `nodejs`, `node20`, `bun.exe`. */
export function isRuntimeFile(path: string): boolean {
  return /^(node|nodejs|deno|bun)([-_]?\d[\d.]*)?(\.exe)?$/i.test(basename(path));
}

interface RuntimeGlobals {
  Deno?: {
    listen?(options: { transport: "unix"; path: string }): { close(): void };
    build?: { standalone?: boolean };
    permissions?: { querySync(descriptor: { name: "env"; variable: string }): { state: string } };
  };
  Bun?: { main?: string };
}

function isCompiled(): boolean {
  const { Deno: deno, Bun: bun } = globalThis as unknown as RuntimeGlobals;
  if (runtimeName === "deno") return deno?.build?.standalone === true;
  // A compiled program of Bun lives in a file system of its own.
  if (runtimeName === "bun") return /^(\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/i.test(bun?.main ?? "");
  const { getBuiltinModule } = process as { getBuiltinModule?: (name: string) => unknown };
  const sea = getBuiltinModule?.("node:sea") as { isSea?: () => boolean } | undefined;
  return sea?.isSea?.() === true;
}

/** A child as `node:child_process` gives it. */
interface Signalled {
  pid?: number | undefined;
  exitCode: number | null;
  signalCode: string | null;
  kill(signal: NodeJS.Signals): boolean;
}

/** Sends a child a signal; nothing happens if it has ended. */
export function signalChild(child: Signalled, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    // Deno's `child.kill` takes the signal for the way the child ended, even if it handles it.
    process.kill(child.pid, signal);
  } catch (error) {
    if (isPermissionError(error)) child.kill(signal);
  }
}

/** The variable that says where the parent waits for its child. */
export const parentVariable = "REFERENT_PARENT";

/** Takes the variable out of the environment, where this process's own children would find it. */
export function takeParentVariable(): string | undefined {
  const value = environment(parentVariable);
  if (value !== undefined) delete process.env[parentVariable];
  return value;
}

/**
 * Passes a child's stderr on to this process's, no faster than that is read: what a child prints
 * does not pile up here.
 */
export function passToStderr(stderr: NodeJS.ReadableStream): void {
  stderr.on("data", (chunk: Uint8Array) => {
    stderr.pause();
    process.stderr.write(chunk, () => void stderr.resume());
  });
}

/** What the server's program was told on stdin. */
export interface ServerInput {
  /** The first line, without its end. */
  line: string;
  /** Resolves when stdin ends: the starter closed it or is dead. */
  ended: Promise<void>;
}

/**
 * Reads the first line of stdin. Deno's stdin keeps the process alive until it ends, so the
 * server's program has to end with {@linkcode exitProcess}.
 */
export function readConfig(): Promise<ServerInput> {
  const { stdin } = process;
  const chunks: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    const ended = new Promise<void>((end) => {
      for (const event of ["end", "close", "error"]) {
        stdin.once(event, () => {
          end();
          reject(new ProcessError("stdin ended before the configuration of the server came"));
        });
      }
    });
    stdin.on("data", (chunk: Uint8Array) => {
      const newline = chunk.indexOf(10);
      chunks.push(newline < 0 ? chunk : chunk.subarray(0, newline));
      if (newline < 0) return;
      stdin.removeAllListeners("data");
      stdin.resume(); // to see the end
      (stdin as { unref?: () => void }).unref?.();
      resolve({ line: new TextDecoder().decode(concat(chunks)), ended });
    });
  });
}

/**
 * Writes the line on stdout that says that the server listens, or why it cannot: then
 * `{ error: { name, message, stack } }`. Resolves when the program may exit without losing it.
 */
export function announce(nonce: string, ready: Record<string, unknown>): Promise<void> {
  const line = `${nonce} ${JSON.stringify(ready)}\n`;
  return new Promise((resolve) => void process.stdout.write(line, () => resolve()));
}

/** Output that nobody reads any more is dropped: a write would end a server that has to drain. */
export function dropUnreadOutput(): void {
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
}

/**
 * The signals of a server process: Ctrl-C is meant for the programs that use it, so it goes on;
 * SIGTERM and SIGHUP end it.
 */
export function onServerSignals(handlers: { terminate(): void }): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (signal !== "SIGINT") handlers.terminate();
    });
  }
}

function concat(chunks: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** The words after the program's name on the command line. */
export function commandArguments(): string[] {
  return process.argv.slice(2);
}

/** Where a command writes, and who tells it to stop. */
export interface Terminal {
  /** Whether a person looks at stdout, so that a view can be drawn again. */
  readonly interactive: boolean;
  /** Aborted when nobody reads stdout any more, as in `referent top | head`: that is no failure. */
  readonly unread: AbortSignal;
  /** How many characters fit. */
  size(): { columns: number; rows: number };
  /**
   * Writes to stdout; resolves when the text is on its way, or is not wanted any more. Rejects if it
   * cannot be written, as on a full disk.
   */
  print(text: string): Promise<void>;
  /** Writes to stderr; resolves when the text is on its way. */
  complain(text: string): Promise<void>;
  /**
   * Aborted by the first SIGINT, SIGTERM or SIGHUP from now on. A second one ends the program at
   * once.
   */
  untilStopped(): AbortSignal;
}

/** Whether a write failed because nobody reads, or nobody can: the reader or the terminal is gone. */
function isUnread(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "EPIPE" || code === "EIO" || code === "EBADF";
}

/** The terminal, or the pipes, of this program. */
export function openTerminal(): Terminal {
  const { stdout, stderr } = process;
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const stopped = new AbortController();
  const unread = new AbortController();
  // The signals that print() heeds: Node 20.0 has no AbortSignal.any.
  const ends = [stopped.signal, unread.signal];
  const stop = () => {
    for (const signal of signals) process.off(signal, stop);
    stopped.abort();
  };
  stdout.on("error", (error) => isUnread(error) && unread.abort());
  stderr.on("error", () => {});
  return {
    interactive: stdout.isTTY === true,
    unread: unread.signal,
    size: () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 }),
    print: (text) =>
      new Promise((resolve, reject) => {
        if (ends.some(({ aborted }) => aborted)) return resolve();
        const end = () => done();
        const done = (error?: unknown) => {
          for (const signal of ends) signal.removeEventListener("abort", end);
          if (error && !isUnread(error)) reject(error);
          else resolve();
        };
        for (const signal of ends) signal.addEventListener("abort", end);
        stdout.write(text, done);
      }),
    complain: (text) => new Promise((resolve) => void stderr.write(text, () => resolve())),
    untilStopped() {
      for (const signal of signals) process.on(signal, stop);
      return stopped.signal;
    },
  };
}

/**
 * Listens on the path of a Unix socket, which shows that this process lives: others connect to it,
 * and nobody says anything. The returned function ends that, and closes the connections.
 */
export async function holdSocket(path: string): Promise<() => void> {
  const { Deno: deno } = globalThis as unknown as RuntimeGlobals;
  if (deno?.listen) {
    // What this process starts would inherit a server of Deno's node:net, and live on with it [probed].
    const listener = deno.listen({ transport: "unix", path });
    return () => listener.close();
  }
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.resume();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path, backlog: 1024, exclusive: true }, () => resolve());
  });
  server.on("error", () => {});
  return () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
}

/** This process's stderr if somebody sees it on a terminal whose cursor can be moved. */
export function stderrTerminal(): NodeJS.WriteStream | undefined {
  const { stderr } = process;
  return stderr.isTTY === true && environment("TERM") !== "dumb" ? stderr : undefined;
}
