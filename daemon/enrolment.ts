import type { Config } from '../config/options.ts'
import type { Link } from '../src/transfer/link/link.ts'
import { credentialRoom, DeviceCredential, keepEnrolled, type KeptCredential } from '../src/control/credential.ts'
import { SluiceError } from '../src/observe/error.ts'
import { enrolDevice } from '../src/transfer/enrol.ts'
import { maskAddress, parseTusAddress } from '../src/transfer/tus-address.ts'
import { linkTo } from './sending.ts'

/** The collector of a config. Throws `usage` for a destination that enrols nobody. */
export function collectorOf({ destination }: Config): URL {
  const url = parseTusAddress(destination)
  if (url) return url
  throw new SluiceError('usage', `The destination ${maskAddress(destination)} is no collector: nothing has to be enrolled there.`)
}

/** What the device of a config shows to its collector, and how it is enrolled by itself. */
export function deviceCredential(config: Config, link: Link): DeviceCredential {
  const { stateFolder, device, enrolment: { tokenFile, credentialFile } } = config
  const url = collectorOf(config)
  return new DeviceCredential({
    stateFolder, device, origin: url.origin, tokenFile, credentialFile, now: Date.now,
    enrol: (token, request) => enrolDevice({ url, link, now: Date.now }, device, token, request),
  })
}

/**
 * Enrols the device of a config with a token, and keeps its credential. Throws as `enrolDevice`. Its bytes count for no cap:
 * somebody asked for them, and the ledger may be a running service's.
 */
export async function enrolByHand(config: Config, token: string, signal: AbortSignal): Promise<KeptCredential> {
  const { stateFolder, device } = config
  const url = collectorOf(config)
  await using link = await linkTo(config)
  using room = credentialRoom(stateFolder)
  const credential = await enrolDevice({ url, link, now: Date.now }, device, token, { signal })
  const kept = { device, origin: url.origin, since: Date.now(), credential }
  keepEnrolled(device, 'Ask your IT for another one, made for this device by name.', () => { room.keep(kept) })
  return kept
}
