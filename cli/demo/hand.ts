import type { Point, Rect } from './canvas.ts'
import type { AppState } from './desk.ts'
import { screen } from './layout.ts'
import { between, type Random } from './random.ts'

export type InputStream = 'pointer' | 'keys' | 'menus' | 'workflow'

/** One line of a stream: when it is written, milliseconds after the session began, and what. */
export interface SessionEvent {
  readonly atMs: number
  readonly stream: InputStream
  readonly record: Readonly<Record<string, string | number>>
}

/** What the screen shows from `atMs` until the next moment. */
export interface Moment {
  readonly atMs: number
  readonly state: AppState
}

const frameMs = 1000 / 60

/** Kind of key, never which: what capture keeps of typing. */
type KeyKind = 'letter' | 'digit' | 'space' | 'punctuation' | 'backspace' | 'modifier'

function keyKind(character: string): KeyKind {
  if (character === ' ') return 'space'
  if (/[0-9]/.test(character)) return 'digit'
  return /[a-z]/i.test(character) ? 'letter' : 'punctuation'
}

/** Share of the way done after share `s` of the time: speeds up and slows down like an arm (minimum jerk, Flash & Hogan 1985). */
function reach(s: number): number {
  return s ** 3 * (10 - 15 * s + 6 * s * s)
}

/** A simulated hand on mouse and keyboard: each act moves its clock on, notes events and changes the state. */
export class Hand {
  readonly events: SessionEvent[] = []
  readonly moments: Moment[]
  readonly random: Random
  readonly #startMs: number
  #nowMs = 0
  #state: AppState

  /** `startMs`: epoch time of the session's beginning, the base of every record's `t`. */
  constructor(random: Random, state: AppState, startMs: number) {
    this.random = random
    this.#startMs = startMs
    this.#state = state
    this.moments = [{ atMs: 0, state }]
  }

  /** Milliseconds since the session began. */
  get nowMs(): number {
    return this.#nowMs
  }

  get state(): AppState {
    return this.#state
  }

  change(patch: Partial<AppState>): void {
    this.#state = { ...this.#state, ...patch }
    this.moments.push({ atMs: this.#nowMs, state: this.#state })
  }

  log(stream: InputStream, record: SessionEvent['record'], atMs = this.#nowMs): void {
    this.events.push({ atMs, stream, record: { t: Math.round(this.#startMs + atMs), ...record } })
  }

  rest(lowMs: number, highMs: number): void {
    this.#nowMs += between(this.random, lowMs, highMs)
  }

  /** Moves along a bent path to a spot on `target`, one sample per frame. */
  moveTo(target: Rect): void {
    const from = this.#state.pointer
    const to = this.#aim(target)
    const distance = Math.hypot(to.x - from.x, to.y - from.y)
    // Fitts' law: farther and smaller takes longer.
    const durationMs = 200 + 150 * Math.log2(1 + distance / Math.min(target.width, target.height))
    const bend = between(this.random, -0.25, 0.25)
    const middle = {
      x: (from.x + to.x) / 2 - bend * (to.y - from.y),
      y: (from.y + to.y) / 2 + bend * (to.x - from.x),
    }
    const beganMs = this.#nowMs
    const frames = Math.ceil(durationMs / frameMs)
    for (let frame = 1; frame <= frames; frame++) {
      const s = reach(frame / frames)
      const along = (a: number, b: number, c: number) => (1 - s) ** 2 * a + 2 * s * (1 - s) * b + s * s * c
      this.#nowMs = beganMs + frame * frameMs
      this.#place({ x: Math.round(along(from.x, middle.x, to.x)), y: Math.round(along(from.y, middle.y, to.y)) })
    }
  }

  /** Moves to `target` and clicks; `onPress` is what the application does at the press. */
  click(target: Rect, onPress: () => void): void {
    this.moveTo(target)
    this.rest(60, 160)
    const { x, y } = this.#state.pointer
    this.log('pointer', { event: 'down', button: 'left', x, y })
    onPress()
    this.rest(55, 110)
    this.log('pointer', { event: 'up', button: 'left', x, y })
  }

  /** Types `text` into `target`, with a slip now and then; `show` gets what the field holds after each key. */
  type(target: string, text: string, show: (typed: string) => void): void {
    let typed = ''
    for (const character of text) {
      const kind = keyKind(character)
      if (kind === 'letter' && this.random() < 0.03) {
        this.#key(kind, target, () => show(`${typed}${character === 'e' ? 'r' : 'e'}`))
        this.rest(120, 320)
        this.#key('backspace', target, () => show(typed))
      }
      typed += character
      this.#key(kind, target, () => show(typed))
      if (kind === 'space') this.rest(0, 120)
    }
  }

  /** Holds a modifier and strikes a letter. */
  shortcut(target: string, onStrike: () => void): void {
    this.log('keys', { event: 'down', key: 'modifier', target })
    this.rest(70, 140)
    this.#key('letter', target, onStrike)
    this.log('keys', { event: 'up', key: 'modifier', target })
  }

  #key(kind: KeyKind, target: string, onStrike: () => void): void {
    this.log('keys', { event: 'down', key: kind, target })
    onStrike()
    this.log('keys', { event: 'up', key: kind, target }, this.#nowMs + between(this.random, 55, 105))
    this.rest(75, 165)
  }

  #aim(target: Rect): Point {
    return {
      x: Math.round(target.x + target.width * between(this.random, 0.3, 0.7)),
      y: Math.round(target.y + target.height * between(this.random, 0.3, 0.7)),
    }
  }

  #place(wanted: Point): void {
    const before = this.#state.pointer
    // A bent path may swing past the edge, where a real pointer stops.
    const pointer = {
      x: Math.max(0, Math.min(screen.width - 1, wanted.x)),
      y: Math.max(0, Math.min(screen.height - 1, wanted.y)),
    }
    if (before.x === pointer.x && before.y === pointer.y) return
    this.change({ pointer })
    this.log('pointer', { event: 'move', x: pointer.x, y: pointer.y })
  }
}
