/** Summaries begin on these in every time zone, unless the service was started in between. */
export const quarterMs = 900_000
const dayMs = 86_400_000
const quartersPerDay = 96
const words = quartersPerDay / 32
const slotsPerPage = 4096

/** Days of the window, and devices: a device, a day and a millisecond fit the 53 bits of a whole number. */
const mostDays = 512
export const mostDevices = 100_000
const msPerDevice = 2 ** 36

/** Lines that began between the quarters and are remembered one by one, at 8 to 16 bytes. */
const mostOdd = 8_000_000

/** One number for a device and a time of the window. */
export function momentKey(device: number, sinceStartMs: number): number {
  return device * msPerDevice + sinceStartMs
}

/** Fixed records by device and day, in pages that never move. */
export class DaySlots<Page extends Float64Array | Uint32Array> {
  readonly #stride: number
  readonly #newPage: (length: number) => Page
  /** By day, then by device: one map of all of them would outgrow what a `Map` can hold. */
  readonly #slots: Map<number, number>[] = []
  #count = 0
  readonly #pages: Page[] = []
  #lastKey = -1
  #lastSlot = -1

  constructor(stride: number, newPage: (length: number) => Page) {
    this.#stride = stride
    this.#newPage = newPage
  }

  /** The page and the place in it of a record, which is made of zeros where there was none, or undefined. */
  at(device: number, day: number, make: boolean): { readonly page: Page, readonly at: number } | undefined {
    const key = device * mostDays + day
    let slot = key === this.#lastKey ? this.#lastSlot : this.#slots[day]?.get(device)
    if (slot === undefined) {
      if (!make) return undefined
      slot = this.#count
      this.#count += 1
      const slots = this.#slots[day] ??= new Map<number, number>()
      slots.set(device, slot)
      if (slot % slotsPerPage === 0) this.#pages.push(this.#newPage(slotsPerPage * this.#stride))
    }
    this.#lastKey = key
    this.#lastSlot = slot
    return this.#placeOf(slot)
  }

  *all(): Generator<{ readonly day: number, readonly page: Page, readonly at: number }> {
    for (const [day, slots] of this.#slots.entries()) {
      for (const slot of slots?.values() ?? []) {
        const place = this.#placeOf(slot)
        if (place) yield { day, ...place }
      }
    }
  }

  #placeOf(slot: number): { readonly page: Page, readonly at: number } | undefined {
    const page = this.#pages[Math.floor(slot / slotsPerPage)]
    return page && { page, at: (slot % slotsPerPage) * this.#stride }
  }
}

/**
 * Which hour lines were counted, so that no copy counts again: for each device and day a bit for each quarter of an hour
 * that a line began on, and each line that began in between by its millisecond. Times are milliseconds since the window
 * began.
 */
export class SeenHours {
  readonly #bits = new DaySlots(2 * words, (length) => new Uint32Array(length))
  readonly #odd = new NumberSet()

  /** False for a line that was there before, and for one too many to remember. */
  add(device: number, from: number): boolean {
    const place = this.#bits.at(device, Math.floor(from / dayMs), true)
    if (!place) return false
    const quarter = Math.floor((from % dayMs) / quarterMs)
    const isOdd = from % quarterMs !== 0
    const at = place.at + (isOdd ? words : 0) + (quarter >>> 5)
    const bit = 1 << (quarter & 31)
    if (isOdd) {
      if (this.#odd.size >= mostOdd || !this.#odd.add(momentKey(device, from))) return false
    } else if (((place.page[at] ?? 0) & bit) !== 0) {
      return false
    }
    place.page[at] = (place.page[at] ?? 0) | bit
    return true
  }

  /** Whether any counted line began in that time. */
  hasAnyIn(device: number, from: number, to: number): boolean {
    for (let day = Math.floor(from / dayMs); day * dayMs < to; day += 1) {
      const place = day < mostDays ? this.#bits.at(device, day, false) : undefined
      if (!place) continue
      const first = Math.max(0, Math.floor((from - day * dayMs) / quarterMs))
      const end = Math.min(quartersPerDay, Math.ceil((to - day * dayMs) / quarterMs))
      for (let quarter = first; quarter < end; quarter += 1) {
        const at = place.at + (quarter >>> 5)
        if (((((place.page[at] ?? 0) | (place.page[at + words] ?? 0)) >>> (quarter & 31)) & 1) === 1) return true
      }
    }
    return false
  }
}

/** A set of whole numbers from 0 at 8 to 16 bytes each; a `Set` takes five times that. */
class NumberSet {
  size = 0
  #table = new Float64Array(1024)

  /** False when it was there before. */
  add(value: number): boolean {
    if (this.size * 4 >= this.#table.length * 3) this.#grow()
    if (!place(this.#table, value + 1)) return false
    this.size += 1
    return true
  }

  #grow(): void {
    const old = this.#table
    this.#table = new Float64Array(old.length * 2)
    for (const entry of old) if (entry !== 0) place(this.#table, entry)
  }
}

function place(table: Float64Array, entry: number): boolean {
  const mask = table.length - 1
  let at = Math.imul((entry % 4_294_967_291) ^ Math.floor(entry / 4_294_967_296), 0x9e3779b1) >>> 0
  at = (at ^ (at >>> 15)) & mask
  for (;;) {
    const there = table[at]
    if (there === entry) return false
    if (there === 0) {
      table[at] = entry
      return true
    }
    at = (at + 1) & mask
  }
}
