import { formatBytes, parseBytes } from '../config/units.ts'
import type { Cap } from '../src/budget/cap.ts'
import { leastCapBytes } from '../src/budget/cap.ts'
import { SluiceError } from '../src/observe/error.ts'

/** A cap of the whole device. */
export type PlainCap = Pick<Cap, 'limitBytes' | 'per' | 'days'>

const longestDays = 366

/** `5GB/month`, `1 GB/week`, `200MB/day`, `6GB/30days` or `6GB/30d`. Throws `usage`. */
export function parseCap(text: string): PlainCap {
  const [, amount = '', period, count] = /^(.*?)\s*\/\s*(?:(day|week|month)|(\d{1,3}) ?d(?:ays?)?)$/.exec(text.trim()) ?? []
  const limitBytes = parseBytes(amount)
  const days = Number(count)
  const per = (['day', 'week', 'month'] as const).find((word) => word === period) ?? 'rolling'
  if (!limitBytes || (per === 'rolling' && !(days >= 1 && days <= longestDays))) {
    throw new SluiceError(
      'usage',
      `"${text}" is no cap: allowed are a size and a period such as 5GB/month, 1GB/week, 200MB/day or 6GB/30days (at most ${longestDays})`,
    )
  }
  if (limitBytes < leastCapBytes) {
    throw new SluiceError('usage', `a cap takes at least ${formatBytes(leastCapBytes)}: with less nothing could ever be sent. To send nothing: sluice pause`)
  }
  return { limitBytes, per, ...(per === 'rolling' && { days }) }
}
