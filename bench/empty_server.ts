/**
 * The least that a server can be, a program of its own: listens at the path of its argument, prints a
 * line, and ends with its stdin.
 *
 * Above: start.ts. Below: nothing.
 *
 * @module
 */

import { createServer } from "node:net";
import process from "node:process";

createServer().listen(process.argv[2], () => console.log("listening"));
process.stdin.on("end", () => process.exit()).resume();
