/**
 * The program of `workerpool`'s workers.
 *
 * Above: peers.ts. Below: chunk.ts.
 *
 * @module
 */

import { createRequire } from "node:module";
import squares from "./chunk.ts";

createRequire(import.meta.url)("../../tools/node_modules/workerpool").worker({ squares });
