import { randomBytes } from 'node:crypto'
import { SluiceError } from '../observe/error.ts'
import { checkDevice } from '../transfer/destination-rules.ts'
import { Refusal } from './refusal.ts'
import { credentialText, hashOf, isSecretOf, isTokenText, secretBytes, tokenText, type Credential } from './secrets.ts'
import type { Records } from './store.ts'

/** What is kept of a device that has enrolled. Times are milliseconds since the epoch. */
interface DeviceRecord {
  readonly device: string
  readonly credentialHash: string
  readonly enrolledAt: number
  readonly revokedAt?: number
}

interface TokenRecord {
  /** The only device it is for. */
  readonly device?: string
  readonly uses: number
  readonly expiresAt: number
}

export interface TokenWish {
  readonly device?: string
  readonly uses: number
  readonly expiresAt: number
}

export interface Device {
  readonly device: string
  readonly enrolledAt: number
  readonly revokedAt?: number
  readonly lastSeenAt?: number
}

/** Devices whose records are remembered; more only cost reading them more often. */
const mostRemembered = 10_000
/** How exact "last seen" is. */
const seenMs = 60_000
/** A device that is not there is held against this, so that the time tells nothing. */
const nobody = hashOf('')

/** Who may write to a store: tokens, devices and their credentials, none of which is kept as it is. */
export class Accounts {
  readonly #records: Records
  readonly #now: () => number
  readonly #rememberMs: number
  readonly #remembered = new Map<string, { readonly record: DeviceRecord | undefined; readonly at: number }>()
  readonly #seen = new Map<string, number>()
  readonly #damaged = new Set<string>()
  readonly #onDamaged: (error: SluiceError) => void

  /** `onDamaged` is told once of each record that was passed over, as it cannot be read. */
  constructor(records: Records, now: () => number, rememberMs: number, onDamaged: (error: SluiceError) => void = () => undefined) {
    this.#onDamaged = onDamaged
    this.#records = records
    this.#now = now
    this.#rememberMs = rememberMs
  }

  /** Makes a token. It is shown once and kept as a hash. */
  async makeToken({ device, uses, expiresAt }: TokenWish): Promise<string> {
    const token = tokenText(randomBytes(secretBytes))
    const record: TokenRecord = { ...(device !== undefined && { device: checkDevice(device) }), uses, expiresAt }
    await this.#records.create(`${tokenKey(token)}/token.json`, JSON.stringify(record))
    return token
  }

  /**
   * Swaps a token for a credential of the device. Throws `token-refused`, and `device-known` for a device that has one already
   * unless the token was made for that device by name. An earlier credential ends.
   */
  async enrol(device: string, token: string): Promise<{ readonly credential: string; readonly again: boolean }> {
    const key = tokenKey(token)
    const found = isTokenText(token) ? await this.#read(`${key}/token.json`, isTokenRecord) : undefined
    if (!found || this.#now() >= found.expiresAt || (found.device !== undefined && found.device !== device)) throw refusedToken()
    if (await this.#usesOf(key) >= found.uses) throw refusedToken() // tells nobody which devices there are
    const again = await this.#records.read(deviceKey(device)) !== undefined // a damaged one is mended by this
    if (again && found.device !== device) throw knownDevice(device)
    await this.#use(key, found.uses)
    const credential = credentialText(device, randomBytes(secretBytes))
    const record: DeviceRecord = { device, credentialHash: hashOf(credential), enrolledAt: this.#now() }
    if (again) await this.#records.replace(deviceKey(device), JSON.stringify(record))
    else if (!await this.#records.create(deviceKey(device), JSON.stringify(record))) throw knownDevice(device)
    this.#remembered.delete(device)
    return { credential, again }
  }

  async #usesOf(key: string): Promise<number> {
    return (await this.#records.list(`${key}/`)).length - 1 // besides the token itself
  }

  /** Takes one use of a token, also against other collectors on this store. */
  async #use(key: string, uses: number): Promise<void> {
    for (let use = await this.#usesOf(key) + 1; use <= uses; use++) {
      if (await this.#records.create(`${key}/use-${use}`, String(this.#now()))) return
    }
    throw refusedToken()
  }

  /** Throws `credential-refused` unless this is the device's credential and it holds. */
  async verify({ device, text }: Credential): Promise<void> {
    const record = await this.#recordOf(device)
    const right = isSecretOf(text, record?.credentialHash ?? nobody)
    if (!record || !right || record.revokedAt !== undefined) throw refusedCredential()
  }

  /** Throws `credential-refused` when, by what the store says at this moment, the device may not write. */
  async mayWrite(device: string): Promise<void> {
    this.#remembered.delete(device)
    const record = await this.#recordOf(device)
    if (!record || record.revokedAt !== undefined) throw refusedCredential()
  }

  async #recordOf(device: string): Promise<DeviceRecord | undefined> {
    const known = this.#remembered.get(device)
    const age = known ? this.#now() - known.at : Infinity
    if (known && age >= 0 && age < this.#rememberMs) return known.record
    const record = await this.#read(deviceKey(device), isDeviceRecord)
    if (this.#remembered.size >= mostRemembered) this.#remembered.clear()
    if (record) this.#remembered.set(device, { record, at: this.#now() })
    return record
  }

  /** Notes that a device was here, once a minute. */
  async note(device: string): Promise<void> {
    const now = this.#now()
    if (Math.abs(now - (this.#seen.get(device) ?? -Infinity)) < seenMs) return
    if (this.#seen.size >= mostRemembered) this.#seen.clear()
    this.#seen.set(device, now)
    try {
      await this.#records.replace(seenKey(device), String(now))
    } catch (error) {
      this.#seen.delete(device)
      throw error
    }
  }

  /** Ends a device's credential. False when there is no such device. */
  async revoke(device: string): Promise<boolean> {
    const record = await this.#read(deviceKey(checkDevice(device)), isDeviceRecord)
    if (!record) return false
    if (record.revokedAt === undefined) {
      await this.#records.replace(deviceKey(device), JSON.stringify({ ...record, revokedAt: this.#now() }))
    }
    this.#remembered.delete(device)
    return true
  }

  /** Every device that ever enrolled, by name, but those whose record is damaged. */
  async devices(): Promise<Device[]> {
    const found: Device[] = []
    for (const key of await this.#records.list('devices/')) {
      const record = await this.#readable(key, isDeviceRecord)
      if (!record) continue
      const { device, enrolledAt, revokedAt } = record
      const seen = Number(await this.#records.read(seenKey(device)) ?? NaN)
      found.push({
        device, enrolledAt, ...(revokedAt !== undefined && { revokedAt }), ...(!Number.isNaN(seen) && { lastSeenAt: seen }),
      })
    }
    return found
  }

  /** Removes tokens that have expired. */
  async sweep(): Promise<void> {
    for (const key of await this.#records.list('tokens/')) {
      if (!key.endsWith('/token.json')) continue
      const token = await this.#readable(key, isTokenRecord)
      if (!token || this.#now() < token.expiresAt) continue
      for (const part of (await this.#records.list(key.slice(0, -'token.json'.length))).reverse()) await this.#records.remove(part)
    }
  }

  /** Throws `state-unusable` for a record that is there and damaged. */
  async #read<T>(key: string, is: (value: unknown) => value is T): Promise<T | undefined> {
    const text = await this.#records.read(key)
    if (text === undefined) return undefined
    const value = parsed(text)
    if (is(value)) return value
    throw damagedRecord(key)
  }

  /** As `#read`, but passes over a damaged one. */
  async #readable<T>(key: string, is: (value: unknown) => value is T): Promise<T | undefined> {
    try {
      const value = await this.#read(key, is)
      this.#damaged.delete(key)
      return value
    } catch (error) {
      if (!(error instanceof SluiceError) || error.data['record'] !== key) throw error
      if (!this.#damaged.has(key) && this.#damaged.size < mostRemembered) {
        this.#damaged.add(key)
        this.#onDamaged(error)
      }
      return undefined
    }
  }
}

/** It names the record, never what is in it. */
function damagedRecord(key: string): SluiceError {
  const help = key.startsWith('devices/') ? 'Enrol the device again, with a token made for it by name.' : 'Remove it, and make a new token.'
  return new SluiceError('state-unusable', `The record ${key} is damaged. ${help}`, { data: { record: key } })
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value as Readonly<Record<string, unknown>> : {}
  } catch {
    return {} // no message of the parser: it quotes the text
  }
}

function isDeviceRecord(value: unknown): value is DeviceRecord {
  const { device, credentialHash, enrolledAt, revokedAt } = value as Readonly<Record<string, unknown>>
  return typeof device === 'string' && typeof credentialHash === 'string' && typeof enrolledAt === 'number'
    && (revokedAt === undefined || typeof revokedAt === 'number')
}

function isTokenRecord(value: unknown): value is TokenRecord {
  const { device, uses, expiresAt } = value as Readonly<Record<string, unknown>>
  return (device === undefined || typeof device === 'string') && typeof uses === 'number' && typeof expiresAt === 'number'
}

const deviceKey = (device: string): string => `devices/${device}.json`
const seenKey = (device: string): string => `seen/${device}`
const tokenKey = (token: string): string => `tokens/${hashOf(token)}`

function refusedToken(): Refusal {
  return new Refusal('token-refused', 'The token is not one that can be used here: it is unknown, used up, expired, or for another device.')
}

function knownDevice(device: string): Refusal {
  return new Refusal('device-known', `${device} has enrolled already. To enrol it again, have a token made for it by name.`)
}

function refusedCredential(): Refusal {
  return new Refusal('credential-refused', 'There is no credential, or it is not one that is accepted here.')
}
