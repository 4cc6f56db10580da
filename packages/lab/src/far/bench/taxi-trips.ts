import { type FrameColumns, f64, u8, u16 } from '@strata/far-memory';

/** Synthetic trips with the columns of the yellow cabs' records that the analysis needs: the recordings are no longer served. */
export const tripColumns = {
  vendor: u8,
  passengers: u8,
  stored: u8,
  /** Seconds since the start of 2016. */
  pickup: f64,
  dropoff: f64,
  fromLon: f64,
  fromLat: f64,
  toLon: f64,
  toLat: f64,
} as const satisfies FrameColumns;
export type TripColumn = keyof typeof tripColumns;
export const tripColumnNames: readonly TripColumn[] = [
  ...['vendor' as const, 'passengers' as const, 'stored' as const, 'pickup' as const, 'dropoff' as const],
  ...['fromLon' as const, 'fromLat' as const, 'toLon' as const, 'toLat' as const],
];
/** What the analysis derives: `hour` of the day, `day` and `month` since the start. */
export const derivedColumns = { duration: f64, km: f64, hour: u8, day: u16, month: u8 } as const;

export const rowsPerChunk = 8192;
export const bytesPerTrip = Object.values(tripColumns).reduce((sum, { byteLength }) => sum + byteLength, 0);
const secondsBetweenTrips = 30;
const secondsPerDay = 86_400;
const firstDay = Date.UTC(2016, 0, 1);
/** A year of trips and the hour that the last of them lasts. */
const monthOfDay = Uint8Array.from({ length: 400 }, (_, day) => {
  const date = new Date(firstDay + day * secondsPerDay * 1000);
  return (date.getUTCFullYear() - 2016) * 12 + date.getUTCMonth();
});

export const hourOf = (pickup: number) => Math.floor(pickup / 3600) % 24;
export const dayOf = (pickup: number) => Math.floor(pickup / secondsPerDay);
export const monthOf = (pickup: number) => monthOfDay[dayOf(pickup)]!;

const earthKm = 6371;

/** Distance on the sphere, km. */
export function haversineKm(fromLon: number, fromLat: number, toLon: number, toLat: number): number {
  const radians = Math.PI / 180;
  const a =
    Math.sin(((toLat - fromLat) * radians) / 2) ** 2 +
    Math.cos(fromLat * radians) * Math.cos(toLat * radians) * Math.sin(((toLon - fromLon) * radians) / 2) ** 2;
  return 2 * earthKm * Math.asin(Math.sqrt(a));
}

export type TripValues = Uint8Array | Float64Array;

/** The values of one column in one chunk. Durations are whole seconds, so that their sum is exact in any order. */
export function tripValues(column: TripColumn, chunk: number): TripValues {
  const values = tripColumns[column].element === 'u8' ? new Uint8Array(rowsPerChunk) : new Float64Array(rowsPerChunk);
  for (let at = 0; at < rowsPerChunk; at++) values[at] = tripValue(column, chunk * rowsPerChunk + at);
  return values;
}

function tripValue(column: TripColumn, trip: number): number {
  const noise = (salt: number) => ((Math.imul(trip + 1, 0x9e3779b1) ^ Math.imul(salt, 0x85ebca6b)) >>> 8) / 2 ** 24;
  switch (column) {
    case 'vendor':
      return 1 + (noise(1) < 0.47 ? 0 : 1);
    case 'passengers':
      return 1 + Math.floor(6 * noise(2) ** 3);
    case 'stored':
      return noise(3) < 0.005 ? 1 : 0;
    case 'pickup':
      return trip * secondsBetweenTrips;
    case 'dropoff':
      return trip * secondsBetweenTrips + 60 + Math.floor(noise(4) * 3540);
    case 'fromLon':
    case 'toLon':
      return -74 + noise(column.length) * 0.2;
    case 'fromLat':
      return 40.7 + noise(6) * 0.2;
    case 'toLat':
      // One in a hundred far outside the city.
      return 40.7 + noise(7) * (noise(8) < 0.01 ? 4 : 0.2);
  }
}
