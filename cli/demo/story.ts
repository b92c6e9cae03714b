import { formatBytes } from '../../config/units.ts'
import { counted } from '../output.ts'
import { reasons, type ReasonCode } from '../../src/scheduler/reasons.ts'
import { wrap } from '../../src/scheduler/words.ts'

/** Packs that arrive within this time are told in one line. */
const gatherMs = 2000

/** Lines fit a terminal of this width. */
export const columns = 80

/** Tells what happens, each with its second, and keeps count. */
export class Story {
  packs = 0
  packBytes = 0
  readonly heldMs: Record<string, number> = {}
  readonly #say: (line: string) => void
  readonly #now: () => number
  readonly #start: number
  #reasons: readonly string[] = []
  #since: number
  /** What the last line about holding said, while no other line followed; empty for "nothing is held". */
  #saidReasons: string | undefined
  /** When holding ended, as long as nothing was said of it. */
  #unsaidResume: number | undefined
  #unsaidPacks = 0
  #unsaidBytes = 0
  #unsaidSince = 0

  constructor(say: (line: string) => void, now: () => number) {
    this.#say = say
    this.#now = now
    this.#start = this.#since = now()
  }

  line(text: string): void {
    this.#tellSent()
    this.#tellResumed()
    this.#write(text)
  }

  #write(text: string): void {
    const second = `${String(Math.round((this.#now() - this.#start) / 1000)).padStart(3)} s  `
    const indent = /^ */.exec(text)?.[0] ?? ''
    wrap(text, columns, ' '.repeat(second.length) + indent, second + indent).forEach(this.#say)
  }

  sent(bytes: number): void {
    this.#tellResumed()
    this.packs++
    this.packBytes += bytes
    if (this.#unsaidPacks === 0) this.#unsaidSince = this.#now()
    this.#unsaidPacks++
    this.#unsaidBytes += bytes
    if (this.#now() - this.#unsaidSince >= gatherMs) this.#tellSent()
  }

  #tellSent(): void {
    if (this.#unsaidPacks === 0) return
    this.#write(`  sent ${counted(this.#unsaidPacks, 'pack')}, ${formatBytes(this.#unsaidBytes)}`)
    this.#unsaidPacks = this.#unsaidBytes = 0
  }

  held(codes: readonly string[], backlogBytes: number): void {
    this.#account(codes)
    const said = codes.join()
    // Near the end of a cap sending goes on and off with every few bytes that turn out to be left.
    if (said === this.#saidReasons && this.#now() - (this.#unsaidResume ?? -Infinity) < gatherMs) {
      this.#unsaidResume = undefined
      return
    }
    const waiting = backlogBytes > 0 ? `; ${formatBytes(backlogBytes)} sealed and waiting` : ''
    this.#tellResumed()
    this.#saidReasons = said
    for (const code of codes) this.line(`  held (${code}): ${reasons[code as ReasonCode].meaning.split('. ')[0]?.replace(/\.$/, '')}${waiting}`)
  }

  resumed(): void {
    this.#account([])
    this.#unsaidResume = this.#now()
  }

  #tellResumed(): void {
    if (this.#unsaidResume === undefined) return
    this.#unsaidResume = this.#saidReasons = undefined
    this.#write('  nothing is held any more')
  }

  end(): void {
    this.#account([])
    this.#tellSent()
  }

  #account(codes: readonly string[]): void {
    const now = this.#now()
    for (const code of this.#reasons) this.heldMs[code] = (this.heldMs[code] ?? 0) + now - this.#since
    this.#reasons = codes
    this.#since = now
  }
}
