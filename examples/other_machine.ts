/**
 * What runs on the other machine of 23_two_machines.ts: REFERENT_ADDRESS, REFERENT_AUTHKEY and
 * REFERENT_TLS_CA in its environment are all that it needs to know.
 *
 * @module
 */
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"

const manager = await Manager.connect();
const orders = await manager.named("orders").queue<string>();
const served = await manager.named("served").list<string>();
await orders.consume((order) => served.push(order)); // until the queue is shut down
await manager.close();
