/**
 * What a command is, and how its words are read.
 *
 * Above: main.ts and the commands. Below: `node:util`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { maxTimeout } from "../limits.ts";
import type { Terminal } from "../runtime.ts";

/** A command line that cannot be meant: exit code 2. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** One option. */
export interface Option {
  /** What stands for its value in the help; a flag has none. */
  readonly value?: string;
  /** What it does, in one line. */
  readonly help: string;
}

/** What a command line may look like. */
export interface Syntax {
  /** The command, as typed. */
  readonly name: string;
  /** The words after it, as in the help: `[WORD]` may be left out, `[WORD...]` is any number. */
  readonly words: readonly string[];
  /** The options by their long names. */
  readonly options: Readonly<Record<string, Option>>;
}

/** One command. */
export interface Command extends Syntax {
  /** What it does, in one line. */
  readonly summary: string;
  /** The rest of its help, in lines of at most 80 characters. */
  readonly details: string;
  /** Carries it out and resolves to the exit code. What it throws is printed: exit code 1. */
  run(line: CommandLine, terminal: Terminal): Promise<number>;
}

/** A command line that was read. */
export interface CommandLine {
  /** The words. */
  readonly words: readonly string[];
  /** The values of the options that were given; of a flag the empty string. */
  readonly options: ReadonlyMap<string, string>;
}

/** The options that every command has. */
export const commonOptions: Readonly<Record<string, Option>> = {
  json: { help: "print JSON, one value a line" },
  help: { help: "print this help" },
};

/** Reads what stands behind the command's name. */
export function readCommandLine(syntax: Syntax, args: readonly string[]): CommandLine {
  const known = { ...syntax.options, ...commonOptions };
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(known).map(([name, { value }]) => [name, {
        type: value === undefined ? "boolean" : "string",
        ...(name === "help" ? { short: "h" } : {}),
      }]),
    ),
    // The messages of strict ones differ between the runtimes.
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const words: string[] = [];
  const options = new Map<string, string>();
  let lastNumber = -1;
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") words.push(token.value);
    else if (/^-\d/.test(args[token.index]!)) {
      // A negative number, of which each digit is a token.
      if (token.index !== lastNumber) words.push(args[token.index]!);
      lastNumber = token.index;
    } else {options.set(
        token.name,
        valueOf(syntax, Object.hasOwn(known, token.name) ? known[token.name] : undefined, token),
      );}
  }
  if (!options.has("help")) checkWords(syntax, words);
  return { words, options };
}

/** The value of an option in milliseconds; undefined if it was not given. */
export function milliseconds(
  { options }: CommandLine,
  name: string,
  least: number,
): number | undefined {
  const text = options.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && value >= least && value <= maxTimeout) return value;
  throw new UsageError(
    `The option "--${name}" takes ${least} to ${maxTimeout} milliseconds, got "${text}"`,
  );
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function valueOf(syntax: Syntax, option: Option | undefined, token: OptionToken): string {
  const { rawName, value, inlineValue } = token;
  if (!option) {
    const names = Object.keys({ ...syntax.options, ...commonOptions });
    throw new UsageError(
      `Unknown option "${rawName}": "${title(syntax)}" takes ${
        names.map((name) => `--${name}`).join(", ")
      }`,
    );
  }
  if (option.value === undefined) {
    if (value === undefined) return "";
    throw new UsageError(`The option "${rawName}" takes no value, got "${value}"`);
  }
  if (value !== undefined && (inlineValue || !value.startsWith("-"))) return value;
  if (value !== undefined && /^-\d/.test(value)) return value;
  throw new UsageError(
    `The option "${rawName}" needs a value: "${rawName} ${option.value}"`,
  );
}

function checkWords(syntax: Syntax, words: readonly string[]): void {
  const least = syntax.words.filter((word) => !word.startsWith("[")).length;
  const most = syntax.words.at(-1)?.endsWith("...]") ? Infinity : syntax.words.length;
  if (words.length < least) {
    throw new UsageError(`"${title(syntax)}" needs ${syntax.words.slice(words.length).join(" ")}`);
  }
  if (words.length <= most) return;
  throw new UsageError(
    `"${title(syntax)}" takes ${most === 0 ? "no words" : syntax.words.join(" ")}, "${
      words[most]
    }" is one too many`,
  );
}

function title({ name }: Syntax): string {
  return name === "" ? "referent" : `referent ${name}`;
}
