/**
 * What became of the calls of a function, and how that travels from a child to its parent.
 *
 * Above: host.ts in the child; worker.ts and process.ts in the parent. Below: parcel.ts.
 *
 * @module
 */

import type { Exception } from "../exceptions.ts";
import { forAMinute, type Parcel, type Parcels } from "./parcel.ts";

/** How the calls of a function ended: values in order, and what those at some positions threw. */
export interface Outcomes {
  readonly values: unknown[];
  readonly exceptions: readonly (readonly [position: number, exception: Exception])[];
}

/** The same, packed: mostly nothing was thrown. */
export interface PackedOutcomes {
  readonly values: Parcel;
  readonly exceptions?: Parcel;
}

/** Packs outcomes; rejects with SerializeError if a value cannot be sent. */
export async function packOutcomes(
  parcels: Parcels,
  { values, exceptions }: Outcomes,
): Promise<PackedOutcomes> {
  const packed = (await parcels.pack(values, "result", forAMinute)).parcel;
  if (exceptions.length === 0) return { values: packed };
  return { values: packed, exceptions: (await parcels.pack(exceptions, "", forAMinute)).parcel };
}

/** Unpacks outcomes, once. */
export async function unpackOutcomes(
  parcels: Parcels,
  { values, exceptions }: PackedOutcomes,
): Promise<Outcomes> {
  return {
    values: await parcels.unpack(values) as unknown[],
    exceptions: exceptions ? await parcels.unpack(exceptions) as Outcomes["exceptions"] : [],
  };
}

/** Nobody will unpack them. */
export async function discardOutcomes(parcels: Parcels, packed: PackedOutcomes): Promise<void> {
  await parcels.discard(packed.values);
  if (packed.exceptions) await parcels.discard(packed.exceptions);
}
