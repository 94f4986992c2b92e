/**
 * What a person sees on a terminal: the lines that are left of text with carriage returns and the
 * escape sequences that move the cursor and clear.
 *
 * Above: tests. Below: nothing.
 *
 * @module
 */

/** A screen that is as large as it has to be. */
export class Screen {
  /** All that was written. */
  written = "";
  /** How often something was written. */
  writes = 0;
  readonly #rows: string[] = [""];
  #row = 0;
  #column = 0;

  /** The lines; the last one is empty where the cursor is in a fresh line. */
  get lines(): string[] {
    return this.#rows.map((line) => line.trimEnd());
  }

  write(text: string): boolean {
    this.writes++;
    this.written += text;
    // deno-lint-ignore no-control-regex -- they are what it is about
    for (const part of text.match(/\x1b\[[\d;?]*[A-Za-z]|\x1b.|[^\x1b]/g) ?? []) this.#take(part);
    return true;
  }

  #take(part: string): void {
    if (part.startsWith("\x1b[")) return this.#control(part.at(-1)!, parseInt(part.slice(2)));
    if (part.startsWith("\x1b")) throw new Error(`Unknown sequence ${JSON.stringify(part)}`);
    if (part === "\r") this.#column = 0;
    else if (part === "\n") this.#newLine();
    else this.#put(part);
  }

  /** A terminal also goes to the first column: what its programs write is `\r\n` in the end. */
  #newLine(): void {
    this.#column = 0;
    if (++this.#row === this.#rows.length) this.#rows.push("");
  }

  #put(character: string): void {
    const line = this.#rows[this.#row]!.padEnd(this.#column);
    const rest = line.slice(this.#column + 1);
    this.#rows[this.#row] = line.slice(0, this.#column++) + character + rest;
  }

  #control(kind: string, count: number): void {
    const line = this.#rows[this.#row]!;
    if (kind === "A") this.#row = Math.max(0, this.#row - (count || 1));
    else if (kind === "G") this.#column = (count || 1) - 1;
    else if (kind === "K") this.#rows[this.#row] = count === 2 ? "" : line.slice(0, this.#column);
    else if (kind === "J") {
      this.#rows[this.#row] = line.slice(0, this.#column);
      this.#rows.length = this.#row + 1;
    } else throw new Error(`Unknown control sequence "${count}${kind}"`);
  }
}
