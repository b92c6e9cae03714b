import { expect, vi } from 'vitest'
import { Journal } from '../../src/journal/journal.ts'
import { journalPath } from '../../src/journal/open-state.ts'

/** Until a running service holds because of the worker's pause, or no longer does. Its log does not tell when that is. */
export async function untilPaused(state: string, isPaused = true): Promise<void> {
  await vi.waitFor(() => {
    using journal = new Journal(journalPath(state), 'read')
    expect(journal.meta('decisions')?.includes('"paused"') ?? false).toBe(isPaused)
  }, { timeout: 60_000, interval: 20 })
}
