import { describe, expect, test } from 'vitest'
import { measureLinks, whyNoLinks } from '../../bench/links.ts'

const why = whyNoLinks()

describe.skipIf(why)(`uploads on bad lines${why ? ` (${why})` : ''}`, () => {
  test('arrive whole over a road that loses packets and over a slow one, whoever sends them', { timeout: 300_000 }, async () => {
    const { runs } = await measureLinks({ lines: ['loss-5', 'slow'], rounds: 1, share: 0.02, only: 'sluice,curl', keep: false })
    expect(runs.map(({ line, uploader, arrived, stderr }) => ({ line, uploader, arrived, stderr }))).toEqual(
      ['loss-5', 'slow'].flatMap((line) => ['sluice', 'sluice-yield', 'curl'].map((uploader) => ({ line, uploader, arrived: true, stderr: '' }))),
    )
    const lossy = runs.filter(({ line }) => line === 'loss-5')
    expect(lossy.reduce((total, { segmentsAgain }) => total + segmentsAgain, 0)).toBeGreaterThan(0)
    for (const { wireBytes } of lossy) expect(wireBytes).toBeGreaterThan(50_000)
  })
})
