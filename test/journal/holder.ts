// Run as a process of its own: `node holder.ts lock|count|change FOLDER [N]`.
import { lockState } from '../../src/journal/state-lock.ts'
import { readSettings, updateSettings } from '../../src/journal/settings.ts'

const [what, folder = '', count = '1'] = process.argv.slice(2)
if (what === 'lock') {
  try {
    lockState(folder, Date.now())
    process.stdout.write('held\n')
    setInterval(() => {}, 60_000)
  } catch (error) {
    process.stdout.write(`${(error as { code: string }).code}: ${(error as Error).message}\n`)
  }
} else {
  for (let done = 0; done < Number(count); done++) {
    updateSettings(folder, (old) => ({ ...old, pause: { since: (old.pause?.since ?? 0) + 1, captures: 'hold' } }))
  }
  process.stdout.write(`${readSettings(folder).pause?.since}\n`)
}
