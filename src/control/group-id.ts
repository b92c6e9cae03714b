import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { SluiceError } from '../observe/error.ts'

/** A directory service that is slower than this holds up the start of the service. */
const lookUpMs = 5000

/** The number of a group by its name or number. Throws `state-unusable` where there is no such group. */
export async function groupIdOf(group: string): Promise<number> {
  if (/^\d{1,10}$/.test(group)) return Number(group)
  const file = await readFile('/etc/group', 'utf8').catch(() => '')
  const entry = entryOf(file, group) ?? entryOf(await asked(group), group)
  if (entry !== undefined) return entry
  throw new SluiceError('state-unusable', `There is no group ${group}, which control.group names. To make it: groupadd --system ${group}`)
}

/** `sluice-users:x:987:ana,ben` */
function entryOf(text: string, group: string): number | undefined {
  const fields = text.split('\n').map((line) => line.split(':')).find(([name]) => name === group)
  return fields?.[2] !== undefined && /^\d+$/.test(fields[2]) ? Number(fields[2]) : undefined
}

/** Groups of a directory service are in no file. */
async function asked(group: string): Promise<string> {
  return await promisify(execFile)('getent', ['group', '--', group], { timeout: lookUpMs }).then(({ stdout }) => stdout, () => '')
}
