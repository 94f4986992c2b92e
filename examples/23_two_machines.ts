/**
 * Two machines. One hosts, with the command `referent serve`; the other joins with the address, the
 * key and the certificate that are in its environment. Here a machine is a process, and the network
 * the loopback. Make your own certificate: openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=HOST
 * -addext subjectAltName=DNS:HOST -keyout server.key -out server.crt
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"

const key = { REFERENT_AUTHKEY: "what `openssl rand -hex 32` printed" };
const tls = path("../tests/fixtures/tls/");
const extension = extname(import.meta.url); // ".js" where the examples are compiled

// Yours: npx referent serve --address tls://0.0.0.0:7000 --tls-cert server.crt --tls-key server.key
const options = ["--tls-cert", `${tls}server.crt`, "--tls-key", `${tls}server.key`];
const command = [path(`../lib/cli${extension}`), "serve", "--address", "tls://127.0.0.1:0"];
const server = run([...command, ...options], key);
try {
  const { value: address } = await createInterface(server.stdout!)[Symbol.asyncIterator]().next();
  if (!address) throw new Error("the server did not start");

  // Yours: REFERENT_ADDRESS=tls://HOST:7000 REFERENT_TLS_CA="$(cat server.crt)"
  const ca = await readFile(`${tls}ca.crt`, "utf8");
  const env = { ...key, REFERENT_ADDRESS: address, REFERENT_TLS_CA: ca };
  const other = run([path(`./other_machine${extension}`)], env);

  const manager = await Manager.connect({ env });
  const orders = await manager.named("orders").queue<string>();
  await orders.putMany(["tea", "cake"]);
  await orders.shutdown(); // no more
  console.log("the other machine: exit code", (await once(other, "exit"))[0]);
  console.log("served:", ...await (await manager.named("served").list()).copy());
  await manager.close();
} finally {
  server.kill(); // ends it in order, as Ctrl-C does
}

function path(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

function run(args: string[], env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, ["Deno" in globalThis ? ["run", "-A"] : [], args].flat(), {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
}
// Prints:
// the other machine: exit code 0
// served: tea cake
