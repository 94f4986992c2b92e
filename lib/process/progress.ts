/**
 * The progress bars of a pool's calls: one line of the terminal for each call that wants one, drawn
 * ten times a second at most. A call that is over leaves its last line, whatever others do.
 *
 * `cli-progress` moves the cursor. It is an optional dependency, and loaded only where a bar is seen.
 * Neither cursor nor line wrapping are switched off, so that a killed program leaves nothing to repair.
 *
 * Above: pool.ts. Below: job.ts, child.ts, `cli-progress`.
 *
 * @module
 */

import { stderrTerminal } from "../runtime.ts";
import { thread } from "./child.ts";
import type { Progress } from "./job.ts";

/** The bar of one call. */
export interface ProgressBar {
  /** How far the call is. */
  update(progress: Progress): void;
  /** The call is over: its last line stays. */
  end(): void;
}

/** What is used of a stream of a terminal. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
}

/** What is used of `cli-progress`. */
interface Library {
  MultiBar: new (options: Record<string, unknown>) => Display;
}

interface Display {
  readonly timer?: { unref?(): void } | null;
  on(event: "start" | "update-post", listener: () => void): void;
  create(total: number, start: number, payload: { line: Line }): object;
  remove(bar: object): void;
  log(text: string): void;
  stop(): void;
}

/** Draws a call's state in so many columns. */
type Line = (columns: number) => string;

const longestName = 24;
const barWidth = 24;

/**
 * Opens a bar on stderr; undefined where nobody would see it. `failed` is told once if there is none,
 * because `cli-progress` is not installed.
 */
export function openProgressBar(
  name: string,
  total: number | undefined,
  failed: (error: TypeError) => void,
): ProgressBar | undefined {
  const stream = stderrTerminal();
  if (!stream) return undefined;
  thread.progressBars ??= new ProgressBars(stream);
  return thread.progressBars.open(name, total, failed);
}

/** All bars of one terminal. */
export class ProgressBars {
  readonly #stream: TerminalStream;
  readonly #load: () => Promise<Library>;
  #display: Display | undefined;
  #shown = 0;

  constructor(stream: TerminalStream, load: () => Promise<Library> = loadLibrary) {
    this.#stream = stream;
    this.#load = load;
  }

  /** Shows one more bar as soon as the library is loaded, which is before the first worker is there. */
  open(
    name: string,
    total: number | undefined,
    failed: (error: TypeError) => void,
  ): ProgressBar {
    let progress: Progress = { done: 0, total, failed: 0, rate: 0, eta: undefined };
    let over = false;
    let hide: (() => void) | undefined;
    const show = (library: Library) => {
      if (!over) hide = this.#show(library, (columns) => lineOf(name, progress, columns));
    };
    this.#load().then(show).catch((cause) => failed(notInstalled(cause)));
    return {
      update: (now) => void (progress = now),
      end: () => {
        over = true;
        hide?.();
        hide = undefined;
      },
    };
  }

  #show(library: Library, line: Line): () => void {
    const display = this.#display ??= this.#newDisplay(library);
    const bar = display.create(1, 0, { line });
    this.#shown++;
    return () => {
      display.log(`${line(this.#columns)}\n`);
      display.remove(bar);
      if (--this.#shown > 0) return;
      display.stop();
      this.#display = undefined;
    };
  }

  #newDisplay({ MultiBar }: Library): Display {
    const display = new MultiBar({
      stream: this.#stream,
      fps: 10,
      clearOnComplete: true, // of the lines that are left when the last call is over: none
      linewrap: true, // as it is
      forceRedraw: true, // a last line pushes the others down
      format: (_options: unknown, _bar: unknown, payload: { line: Line }) =>
        payload.line(this.#columns),
    });
    // Nobody waits for a picture: an iterator that is left unfinished keeps no process alive.
    const release = () => display.timer?.unref?.();
    display.on("start", release);
    display.on("update-post", release);
    return display;
  }

  /** One less than there are: a full line would wrap on some terminals. */
  get #columns(): number {
    return (this.#stream.columns || 80) - 1;
  }
}

/** `square      [########----------------]  33% 100/300 2 failed 57/s 4s left`. */
function lineOf(name: string, progress: Progress, columns: number): string {
  const { done, total, failed, rate, eta } = progress;
  const parts = [name.slice(0, longestName)];
  if (total !== undefined) parts.push(barOf(total === 0 ? 1 : done / total));
  parts.push(total === undefined ? `${done}` : `${done}/${total}`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (done > 0) parts.push(`${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`);
  if (eta !== undefined && done !== total) parts.push(`${durationOf(eta)} left`);
  return parts.join(" ").slice(0, columns);
}

function barOf(part: number): string {
  const filled = Math.round(part * barWidth);
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  return `[${"#".repeat(filled)}${"-".repeat(barWidth - filled)}] ${percent}`;
}

/** `7s`, `2:07`, `1:02:07`. */
function durationOf(milliseconds: number): string {
  const all = Math.ceil(milliseconds / 1000);
  if (all < 60) return `${all}s`;
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (number: number) => String(number).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

async function loadLibrary(): Promise<Library> {
  // @ts-ignore -- it comes without types, and may be missing
  const { default: library } = await import("cli-progress");
  return library;
}

function notInstalled(cause: unknown): TypeError {
  return new TypeError(
    'The option "progress" needs the package "cli-progress": npm install cli-progress',
    { cause },
  );
}
