import { summaryMark } from './summary-line.ts'

/** A summary has about a thousand bytes; a longer line than this is passed over without being kept. */
export const mostLineBytes = 256 * 1024

/** How far into a line its JSON may begin, behind what a log collector put before it. */
const mostPrefixBytes = 256

const [newline, open, close] = [0x0a, 0x7b, 0x7d]
const isBlank = (byte: number | undefined): boolean => byte === 0x0d || byte === 0x20 || byte === 0x09
const mark = Buffer.from(summaryMark)

/**
 * Finds lines that may be summaries in bytes that come piece by piece. Only those are turned into text: of the others it is
 * seen whether they look like JSON. Keeps at most `mostLineBytes` between two pieces.
 */
export class LineScanner {
  /** Lines that are not empty. */
  lines = 0
  /** Lines that are too long or no JSON object. */
  unreadable = 0
  readonly #onCandidate: (text: string) => boolean
  #kept: Buffer[] = []
  #keptBytes = 0

  /** `onCandidate` says whether it could read the text of a line. */
  constructor(onCandidate: (text: string) => boolean) {
    this.#onCandidate = onCandidate
  }

  /** Keeps nothing of `bytes`: the caller may use the buffer again. */
  push(bytes: Buffer): void {
    let start = 0
    if (this.#keptBytes > 0) {
      const end = bytes.indexOf(newline)
      this.#keep(end < 0 ? bytes : bytes.subarray(0, end))
      if (end < 0) return
      this.#flush()
      start = end + 1
    }
    let marked = bytes.indexOf(mark, start)
    for (;;) {
      const end = bytes.indexOf(newline, start)
      if (end < 0) break
      if (marked >= 0 && marked < start) marked = bytes.indexOf(mark, start)
      this.#line(bytes, start, end, marked >= 0 && marked < end)
      start = end + 1
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start))
  }

  /** The last line may lack its newline. */
  end(): void {
    if (this.#keptBytes > 0) this.#flush()
  }

  #keep(bytes: Buffer): void {
    if (this.#keptBytes <= mostLineBytes) this.#kept.push(Buffer.from(bytes.subarray(0, mostLineBytes + 1)))
    this.#keptBytes += bytes.length
  }

  #flush(): void {
    const [bytes, length] = [Buffer.concat(this.#kept), this.#keptBytes]
    this.#kept = []
    this.#keptBytes = 0
    if (length > mostLineBytes) this.#refuse()
    else this.#line(bytes, 0, bytes.length, bytes.includes(mark))
  }

  #refuse(): void {
    this.lines += 1
    this.unreadable += 1
  }

  #line(bytes: Buffer, start: number, lineEnd: number, isMarked: boolean): void {
    let end = lineEnd
    while (end > start && isBlank(bytes[end - 1])) end -= 1
    if (end === start) return
    if (end - start > mostLineBytes) {
      this.#refuse()
      return
    }
    this.lines += 1
    const from = bytes[start] === open ? start : bytes.subarray(start, Math.min(end, start + mostPrefixBytes)).indexOf(open) + start
    const isReadable = from >= start && bytes[end - 1] === close
      && (!isMarked || this.#candidate(bytes.toString('utf8', from, end)))
    if (!isReadable) this.unreadable += 1
  }

  /** What was no UTF-8 shows as U+FFFD. */
  #candidate(text: string): boolean {
    return !text.includes('\uFFFD') && this.#onCandidate(text)
  }
}
