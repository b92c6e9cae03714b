import { isDeviceName } from '../pack/header.ts'
import { packFileName, parsePackFileName, type PackName } from '../transfer/destination.ts'
import { Refusal } from './refusal.ts'

/** Longest id: device, seq of up to 16 digits, hash, and what stands between. */
export const maxIdCharacters = 64 + 1 + 16 + 1 + 64

/**
 * `<device>-<seq>-<hash>`: the same for the same pack, at whatever collector it is created. Only its form is read to tell
 * whose upload it is, so an id gives away nothing about what is there.
 */
export function uploadId(name: PackName): string {
  return `${name.device}-${packFileName(name).slice(0, -'.pack'.length)}`
}

/** The pack that an id is for, or undefined when it is none in canonical form. */
export function parseUploadId(id: string): PackName | undefined {
  const [, device = '', rest = ''] = /^(.+)-(\d{10,16}-[0-9a-f]{64})$/.exec(id) ?? []
  return isDeviceName(device) ? parsePackFileName(device, `${rest}.pack`) : undefined
}

/** The pack that the metadata of an upload names. Throws `request-invalid`. */
export function packNameIn(metadata: Readonly<Record<string, string | null>> | undefined): PackName {
  const { device, seq, hash } = metadata ?? {}
  if (!device || !isDeviceName(device)) throw invalid('device', 'a device name')
  if (!seq || !/^[1-9]\d{0,15}$/.test(seq) || !Number.isSafeInteger(Number(seq))) throw invalid('seq', 'a whole number from 1 on')
  if (!hash || !/^[0-9a-f]{64}$/.test(hash)) throw invalid('hash', '64 hex digits in lower case')
  return { device, seq: Number(seq), hash }
}

function invalid(key: string, allowed: string): Refusal {
  return new Refusal('request-invalid', `Upload-Metadata has no ${key} that is ${allowed}.`)
}
