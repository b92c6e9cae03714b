/** Worked at a stretch: long enough that resting costs nothing, short enough that a fan does not start. */
const stretchMs = 100
/** Rests this many times as long as it worked: a quarter of one core on average. */
const restRatio = 3
/** Of one stretch that took longer, a machine that slept perhaps, no more than this counts. */
const longestStretchMs = 400

/** Rests between stretches of work for as long as `isGentle` says so. `monotonic` never goes back; `sleep` takes milliseconds. */
export function gentleRest(isGentle: () => boolean, monotonic: () => number, sleep: (ms: number) => Promise<void>): () => Promise<void> {
  let since = monotonic()
  return async () => {
    const worked = monotonic() - since
    if (worked < stretchMs) return
    if (isGentle()) await sleep(Math.min(worked, longestStretchMs) * restRatio)
    since = monotonic()
  }
}
