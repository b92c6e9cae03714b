/** Blocks coded both ways before it is decided: one alone says little, screenshots gain between 0.2 and 10 % by a reference. */
const trialBlocks = 3
/** Blocks for which a decision holds; then it is tried again. */
const decidedBlocks = 29
/** What saves less than this share costs more energy, here and at every reader, than it is worth. */
const worthwhileGain = 0.01

interface StreamState {
  /** Blocks left in this phase. */
  left: number
  phase: 'trial' | 'use' | 'skip'
  without: number
  with: number
}

/** Whether something pays for the blocks of a stream: tried on a few, and what the trial showed holds for a while. */
export class TrialPolicy {
  readonly #streams = new Map<string, StreamState>()

  next(stream: string): StreamState['phase'] {
    const state = this.#streams.get(stream)
    if (!state) return 'trial'
    if (state.phase !== 'trial' && state.left-- === 0) this.#streams.set(stream, freshTrial())
    return this.#streams.get(stream)?.phase ?? 'trial'
  }

  /** Bytes of one block without it and with it. */
  record(stream: string, withoutBytes: number, withBytes: number): void {
    const state = this.#streams.get(stream) ?? freshTrial()
    this.#streams.set(stream, state)
    state.without += withoutBytes
    state.with += withBytes
    if (--state.left > 0) return
    state.phase = state.with < state.without * (1 - worthwhileGain) ? 'use' : 'skip'
    state.left = decidedBlocks
  }
}

function freshTrial(): StreamState {
  return { left: trialBlocks, phase: 'trial', without: 0, with: 0 }
}
