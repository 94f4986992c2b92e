/**
 * The bare server of the benchmark, a program of its own: what any protocol over `node:net` pays at
 * least. `echo_server.ts <socket path> <in>:<out> ...` listens at `<path>.0`, `<path>.1`, ...: for every
 * `in` bytes that arrive at one of them it sends `out` bytes. It prints a line when it listens, and
 * ends with its stdin.
 *
 * Above: peers.ts. Below: nothing.
 *
 * @module
 */

import { createServer, type Socket } from "node:net";
import process from "node:process";

const [path, ...pairs] = process.argv.slice(2);

function answer(socket: Socket, inBytes: number, outBytes: number): void {
  const reply = new Uint8Array(outBytes);
  let arrived = 0;
  socket.on("error", () => {});
  socket.on("data", (chunk: Uint8Array) => {
    arrived += chunk.length;
    for (; arrived >= inBytes; arrived -= inBytes) socket.write(reply);
  });
}

let listening = 0;
pairs.forEach((pair, index) => {
  const [inBytes, outBytes] = pair.split(":").map(Number) as [number, number];
  createServer((socket) => answer(socket, inBytes, outBytes)).listen(`${path}.${index}`, () => {
    if (++listening === pairs.length) console.log("listening");
  });
});
process.stdin.on("end", () => process.exit()).resume();
