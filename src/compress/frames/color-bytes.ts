/** Where the bytes of a pixel stand in its number; first the one that says most about the others: green, grey, index. */
export const shiftsOf: Readonly<Record<number, readonly number[]>> = { 1: [0], 2: [0, 8], 3: [8, 0, 16], 4: [8, 0, 16, 24] }

/** The median edge predictor of LOCO-I (Weinberger, Seroussi, Sapiro 2000): the lesser, the greater, or the plane through all three. */
export function gradient(west: number, north: number, northWest: number): number {
  const low = west < north ? west : north
  const high = west < north ? north : west
  return northWest >= high ? low : northWest <= low ? high : west + north - northWest
}
