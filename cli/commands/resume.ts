import type { Command } from 'commander'

import type { Pause } from '../../src/journal/settings.ts'
import { timeInWords } from '../../src/scheduler/words.ts'
import { addJson, describe } from '../options.ts'
import type { Io } from '../output.ts'
import { serviceOfOthers } from '../service-at.ts'
import { addState, statePlace } from '../state-place.ts'
import type { StateOptions } from '../state-place.ts'

export function register(program: Command, io: Io): void {
  describe(addJson(addState(program.command('resume'))), 'End a pause.', [
    ['sluice resume', 'sending goes on as soon as nothing else holds it'],
  ]).action((options: StateOptions) => resume(options, io))
}

async function resume(options: StateOptions, io: Io): Promise<void> {
  const [place, { changeSettings }, { resumed }] = await Promise.all([
    statePlace(options, io), import('../../src/control/pause-state.ts'), import('../../src/control/wishes.ts'),
  ])
  const { stateFolder, timeZone } = place
  const service = await serviceOfOthers(place)
  let now = io.now()
  let ended: Pause | undefined
  if (service) {
    ended = (await service.call('POST /v1/resume', {})).ended
  } else {
    changeSettings(stateFolder, () => io.now(), (settings, at) => {
      now = at
      const result = resumed(settings, now)
      ended = result.ended
      return result.settings
    })
  }
  const clock = { now, timeZone }
  io.result(options.json, { version: 1, paused: false, wasPaused: ended !== undefined, ...(ended && { ended }) }, [
    ended ? 'Resumed.' : 'There was no pause.',
    ...(ended?.captures === 'drop' ? [`What was captured since ${timeInWords(ended.since, clock)} is never read.`] : []),
  ])
}
