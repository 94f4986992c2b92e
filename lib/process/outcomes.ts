/**
 * What became of the calls of a function, and how that travels from a child to its parent.
 *
 * Above: host.ts in the child; worker.ts and process.ts in the parent. Below: parcel.ts.
 *
 * @module
 */

import type { Exception } from "../exceptions.ts";
import { isPromise } from "../server/invocation.ts";
import { forAMinute, type Parcel, type Parcels } from "./parcel.ts";

/** How the calls of a function ended: values in order, and what those at some positions threw. */
export interface Outcomes {
  readonly values: unknown[];
  readonly exceptions: readonly (readonly [position: number, exception: Exception])[];
}

/** The same, packed: mostly nothing was thrown, and these are the values. */
export type PackedOutcomes = Parcel | { readonly values: Parcel; readonly exceptions: Parcel };

/** Packs outcomes; rejects with SerializeError if a value cannot be sent. */
export async function packOutcomes(
  parcels: Parcels,
  { values, exceptions }: Outcomes,
): Promise<PackedOutcomes> {
  const packed = (await parcels.pack(values, "result", forAMinute)).parcel;
  if (exceptions.length === 0) return packed;
  return { values: packed, exceptions: (await parcels.pack(exceptions, "", forAMinute)).parcel };
}

/** Unpacks outcomes, once; at once if they refer to nothing. */
export function unpackOutcomes(
  parcels: Parcels,
  packed: PackedOutcomes,
): Outcomes | Promise<Outcomes> {
  if ("exceptions" in packed) return unpackBoth(parcels, packed.values, packed.exceptions);
  const values = parcels.unpack(packed);
  if (!isPromise(values)) return { values: values as unknown[], exceptions: [] };
  return values.then((values) => ({ values: values as unknown[], exceptions: [] }));
}

async function unpackBoth(parcels: Parcels, values: Parcel, exceptions: Parcel): Promise<Outcomes> {
  return {
    values: await parcels.unpack(values) as unknown[],
    exceptions: await parcels.unpack(exceptions) as Outcomes["exceptions"],
  };
}

/** Nobody will unpack them. */
export async function discardOutcomes(parcels: Parcels, packed: PackedOutcomes): Promise<void> {
  if (!("exceptions" in packed)) return await parcels.discard(packed);
  await parcels.discard(packed.values);
  await parcels.discard(packed.exceptions);
}
