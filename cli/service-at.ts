import { statSync } from 'node:fs'
import { dirname } from 'node:path'

import type { Config } from '../config/options.ts'
import type { Client } from '../src/control/client.ts'
import { SluiceError, systemCode } from '../src/observe/error.ts'

type Place = Pick<Config, 'stateFolder'> & Partial<Pick<Config, 'control'>>

/** The service of a config, if one answers to this user. */
export async function serviceAt({ stateFolder, control }: Place): Promise<Client | undefined> {
  const { Client } = await import('../src/control/client.ts')
  return await Client.find({ stateFolder, groupSocket: control?.group === undefined ? undefined : control.socket })
}

/**
 * The service that has to be asked because the state folder is another user’s; undefined where it is one’s own. Throws
 * `state-unusable` where that service does not answer.
 */
export async function serviceOfOthers(place: Place): Promise<Client | undefined> {
  if (!isOthers(place.stateFolder)) return undefined
  const service = await serviceAt(place)
  if (service) return service
  const group = place.control?.group
  throw new SluiceError('state-unusable', `${place.stateFolder} belongs to another user, whose service does not answer to you. `
    + (group === undefined
      ? 'It would to members of a group that the config names: control: { group: … }. Ask your IT.'
      : `It answers to members of the group ${group} while it runs. Ask your IT to add you; it counts from your next log-in.`))
}

/** Whether a state folder is another user’s; what is not there yet is nobody’s. */
function isOthers(stateFolder: string): boolean {
  if (process.getuid === undefined) return false
  for (let path = stateFolder; ;) {
    try {
      return path === stateFolder && statSync(path).uid !== process.getuid()
    } catch (error) {
      if (systemCode(error) === 'EACCES') return true
      if (dirname(path) === path) return false
      path = dirname(path)
    }
  }
}
