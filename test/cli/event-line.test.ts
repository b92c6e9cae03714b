import { expect, test } from 'vitest'
import { eventLine } from '../../cli/event-line.ts'

test('of captures that are dropped no more is said than is known', () => {
  expect(eventLine({ event: 'capture.dropped', stream: 's', files: 2, bytes: 13 }))
    .toBe('stream s: 13 B in 2 files that were, or may have been, captured while you paused are never read')
})
