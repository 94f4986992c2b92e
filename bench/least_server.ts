/**
 * The least that a manager's server does until its starter is connected, without a library: reads a
 * key from its stdin, makes the directory of its argument, listens there, says so, and lets in
 * whoever proves to have the key.
 *
 * Above: start.ts. Below: nothing.
 *
 * @module
 */

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";

const directory = process.argv[2] ?? "";
process.stdin.once("data", (line) => {
  const key = String(line).trim();
  mkdirSync(directory, { mode: 0o700 });
  const server = createServer((socket) => {
    const nonce = randomBytes(32);
    socket.write(nonce);
    socket.once("data", (proof) => {
      const wanted = createHmac("sha256", key).update(nonce).digest();
      socket.end(timingSafeEqual(proof, wanted) ? "welcome" : "no");
    });
  });
  server.listen(`${directory}/s`, () => console.log("listening"));
});
process.stdin.on("end", () => process.exit());
