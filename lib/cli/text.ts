/**
 * Text for terminals: tables, numbers, times, and names that can do no harm. Pure functions.
 *
 * Above: the commands. Below: nothing.
 *
 * @module
 */

/** What a terminal obeys instead of showing it: control and format characters, line separators. */
const commanding = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The text with escapes in place of what a terminal would obey: names are chosen by clients. */
export function printable(text: string): string {
  return text.replace(
    commanding,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** The value as one line of JSON, in which a terminal finds nothing to obey either. */
export function jsonLine(value: unknown): string {
  return escapeJson(JSON.stringify(value)) + "\n";
}

/** JSON with escapes in place of what a terminal would obey; it means the same. */
export function escapeJson(json: string): string {
  return json.replace(commanding, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
    ).join(""));
}

/** One cell of a table: text, or a number, which is aligned right; "-" is a number that is not known. */
export type Cell = string | number;

/** A table in lines; columns are two spaces apart. */
export function table(headings: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  // A server says what some columns are called.
  const names = headings.map(printable);
  const cells = rows.map((row) => row.map(cellText));
  const widths = names.map((heading, column) =>
    cells.reduce((width, row) => Math.max(width, row[column]!.length), heading.length)
  );
  const right = headings.map((_, column) => isNumeric(rows.map((row) => row[column]!)));
  const line = (texts: readonly string[]) =>
    texts.map((text, column) =>
      right[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)
    ).join("  ").trimEnd();
  return [names, ...cells].map(line);
}

function isNumeric(column: readonly Cell[]): boolean {
  return column.some((cell) => typeof cell === "number") &&
    column.every((cell) => typeof cell === "number" || cell === "-");
}

/** Two columns without headings. */
export function alignLeft(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `${first.padEnd(width)}  ${second}`);
}

/** Milliseconds for people: `250ms`, `1.5s`, `2m 05s`, `3h 07m`, `4d 01h`. */
export function duration(time: number): string {
  if (time < 999.5) return `${Math.round(time)}ms`;
  if (time < 59_950) return `${(time / 1000).toFixed(1)}s`;
  const seconds = Math.round(time / 1000);
  if (seconds < 3600) return pair(seconds, 60, "m", 1, "s");
  if (seconds < 86_400) return pair(seconds, 3600, "h", 60, "m");
  return pair(seconds, 86_400, "d", 3600, "h");
}

function pair(
  seconds: number,
  large: number,
  first: string,
  small: number,
  second: string,
): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)}${first} ${String(rest).padStart(2, "0")}${second}`;
}

function cellText(cell: Cell): string {
  if (typeof cell === "string") return printable(cell);
  return Number.isInteger(cell) ? String(cell) : cell.toFixed(cell < 10 ? 2 : 1);
}
