import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { authorityOf, parseProxy } from '../src/transfer/link/proxy-address.ts'
import { isRegion, parseEndpoint, parseS3Address } from '../src/transfer/s3/address.ts'
import { parseTusAddress } from '../src/transfer/tus-address.ts'
import { nearest } from './nearest.ts'
import type { JsonSchema, ValueType } from './schema.ts'
import { formatBytes, formatDuration, parseBytes, parseClock, parseDate, parseDuration, parsePercent, parseWeekdays } from './units.ts'

/** Most characters of a text value: purposes travel in every manifest. */
const maxTextLength = 1000

const namePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/

/** A text of a pattern, or a number: editors read `5` as one. */
function textOrNumber(pattern: RegExp): JsonSchema {
  return { type: ['string', 'number'], pattern: pattern.source }
}

/** A name that is safe in addresses, file names and logs. */
export const name: ValueType<string> = {
  allowed: 'a name of at most 64 characters a-z, 0-9, ".", "_", "-", beginning with a letter or digit',
  parse: (text) => namePattern.test(text) ? text : undefined,
  json: textOrNumber(namePattern),
}

/** `hostname` made into a name: lower case, anything not allowed becomes `-`. */
export function cleanName(hostname: string): string {
  return hostname.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-').replace(/^[._-]+/, '').slice(0, 64) || 'device'
}

export const sentence: ValueType<string> = {
  allowed: `text of 1 to ${maxTextLength} characters`,
  parse: (text) => text.trim().length > 0 && text.length <= maxTextLength && !/\p{Cc}/u.test(text) ? text : undefined,
}

export function oneOf<const T extends string>(...words: readonly T[]): ValueType<T> {
  return {
    allowed: words.join(', '),
    parse: (text) => words.find((word) => word === text),
    hint: (text) => didYouMean(text, words),
    json: { enum: words },
  }
}

/** `did you mean "append"?` or undefined. */
export function didYouMean(text: string, candidates: readonly string[]): string | undefined {
  const meant = nearest(text, candidates)
  return meant === undefined ? undefined : `did you mean "${meant}"?`
}

export function bytes(min: number, max: number = Number.MAX_SAFE_INTEGER): ValueType<number> {
  const unlimited = max === Number.MAX_SAFE_INTEGER
  const range = unlimited ? `of at least ${formatBytes(min)}` : `from ${formatBytes(min)} to ${formatBytes(max)}`
  return {
    allowed: `a size such as 5 GB, 4 MiB or 500 kB, ${range}`,
    parse: (text) => within(parseBytes(text), min, max),
    json: textOrNumber(/^\s*\d+(\.\d+)? ?([Bb][Yy][Tt][Ee][Ss]?|[KMGTkmgt]?[Ii]?[Bb])?\s*$/),
  }
}

export function duration(min: number, max: number): ValueType<number> {
  return {
    allowed: `a duration such as 30s, 5m or 1h30m, from ${formatDuration(min)} to ${formatDuration(max)}`,
    parse: (text) => within(parseDuration(text), min, max),
    json: { type: 'string', pattern: '^\\s*(\\d+ ?[a-z]+ ?)+\\s*$' },
  }
}

export const percent: ValueType<number> = {
  allowed: 'whole percent from 0% to 100%',
  parse: parsePercent,
  json: textOrNumber(/^\s*\d{1,3} ?%?\s*$/),
}

export const yesNo: ValueType<boolean> = {
  allowed: 'yes or no',
  takesBooleans: true,
  parse: (text) => text === 'yes' || text === 'true' ? true : text === 'no' || text === 'false' ? false : undefined,
  json: { enum: [true, false, 'yes', 'no', 'true', 'false'] },
}

/** Bytes per second. */
export const rate: ValueType<number> = {
  allowed: 'a rate such as 500 kB/s, from 1 kB/s to 10 GB/s',
  parse: (text) => text.endsWith('/s') ? within(parseBytes(text.slice(0, -2).trimEnd()), 1000, 1e10) : undefined,
  json: { type: 'string', pattern: '/s$' },
}

/** Minutes after midnight. */
export const clock: ValueType<number> = {
  allowed: 'a time of day such as "20:00", in quotes',
  parse: parseClock,
  json: { type: 'string', pattern: '^\\s*\\d{1,2}:\\d{2}\\s*$' },
}

/** Days of the week, 0 is Monday. */
export const weekdays: ValueType<readonly number[]> = {
  allowed: 'days such as mon-fri, or sat,sun',
  parse: parseWeekdays,
  json: { type: 'string' },
}

/** The first moment of a day in UTC, milliseconds since the epoch. */
export const date: ValueType<number> = {
  allowed: 'a date such as 2026-12-31',
  parse: parseDate,
  json: { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}$' },
}

export function integer(min: number, max: number): ValueType<number> {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    parse: (text) => /^\d{1,9}$/.test(text) ? within(Number(text), min, max) : undefined,
    json: { type: ['integer', 'string'], pattern: '^\\d{1,9}$', minimum: min, maximum: max },
  }
}

/** A whole number, or `auto`. */
export function integerOrAuto(min: number, max: number): ValueType<number | 'auto'> {
  const number = integer(min, max)
  return {
    allowed: `auto, or ${number.allowed}`,
    parse: (text, context) => text === 'auto' ? 'auto' : number.parse(text, context),
    json: { type: ['integer', 'string'], pattern: '^(auto|\\d{1,9})$', minimum: min, maximum: max },
  }
}

/** A folder as an absolute path. `~/` is the home folder; a relative path begins at the config file. */
export const folder: ValueType<string> = pathOf('a folder')

/** A file, likewise. */
export const file: ValueType<string> = pathOf('a file')

function pathOf(what: string): ValueType<string> {
  return {
    allowed: `the path of ${what}: absolute, beginning with ~/, or relative to this file`,
    parse(text, { home, configFolder }) {
      if (text.length === 0 || text.length > 4096 || text.includes('\0')) return undefined
      if (text === '~' || text.startsWith('~/')) return resolve(join(home, text.slice(1)))
      return text.startsWith('~') ? undefined : resolve(configFolder, text)
    },
    show: (path) => path,
  }
}

/** An address that only this machine reaches, and a port; 0 takes any that is free. */
export const loopback: ValueType<{ readonly host: string, readonly port: number }> = {
  allowed: 'an address of this machine and a port, such as 127.0.0.1:9464 or [::1]:9464',
  parse(text) {
    const [, bracketed, host = bracketed, port = ''] = /^(?:\[(::1)\]|(localhost|127(?:\.\d{1,3}){3})):(\d{1,5})$/.exec(text) ?? []
    const isAddress = host !== undefined && host.split('.').every((part) => !/^\d/.test(part) || Number(part) <= 255)
    return isAddress && Number(port) <= 65_535 ? { host, port: Number(port) } : undefined
  },
  hint: (text) => /^(?:\[[^\]]*\]|[^:\s]+):\d+$/.test(text) ? 'only this machine may ask, for nobody is asked who they are;' : undefined,
  show: ({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`,
}

/** `none`, or the address of a proxy in canonical form. */
export const proxy: ValueType<string> = {
  allowed: 'http://host:port, https://host:port, or none',
  parse(text) {
    if (text === 'none') return text
    const parsed = /^https?:/i.test(text) && !text.includes('@') ? parseProxy(text) : undefined
    return parsed && `${parsed.secure ? 'https' : 'http'}://${authorityOf(parsed)}`
  },
  hint(text) {
    if (text.includes('@')) return 'a user and password go into the file that proxyCredential names;'
    return /^socks/i.test(text) ? 'SOCKS is not spoken;' : undefined
  },
}

/** The SHA-256 of a public key, base64. */
export const pin: ValueType<string> = {
  allowed: 'sha256/ and the SHA-256 of a public key in base64, 44 characters',
  json: { type: 'string', pattern: '^sha256/[A-Za-z0-9+/]{43}=$' },
  parse: (text) => /^sha256\/([A-Za-z0-9+/]{43}=)$/.exec(text)?.[1],
  show: (hash) => `sha256/${hash}`,
}

export const glob: ValueType<string> = {
  allowed: 'a pattern such as *.jsonl or **/*.png, relative to the stream’s folder',
  parse(text) {
    const valid = text.length > 0 && text.length <= maxTextLength && !text.includes('\0')
    return valid && !isAbsolute(text) && !text.split('/').includes('..') ? text : undefined
  },
}

/** A destination's address in canonical form. */
export const destination: ValueType<string> = {
  allowed: 'file:///absolute/path, https://host/path, or s3://bucket/prefix',
  json: { type: 'string', pattern: '^([Ff][Ii][Ll][Ee]|[Hh][Tt][Tt][Pp][Ss]?|[Ss]3):' },
  parse(text) {
    if (/^https?:/i.test(text)) return text.includes('@') ? undefined : parseTusAddress(text)?.href
    if (/^s3:/i.test(text)) return s3Address(text)
    const path = text.startsWith('file:///') ? destinationFolder(text) : undefined
    return path === undefined ? undefined : pathToFileURL(path).href
  },
  hint(text) {
    if (/^s3:/i.test(text)) return s3Hint(text)
    if (/^https?:.*@/is.test(text)) return 'a user and password are not taken here, where everyone sees them;'
    return /^http:/i.test(text) ? 'http:// only to this machine itself (localhost);' : undefined
  },
}

function s3Address(text: string): string | undefined {
  const place = parseS3Address(text)
  return typeof place === 'string' ? undefined : place.url
}

function s3Hint(text: string): string | undefined {
  const problem = parseS3Address(text)
  return typeof problem === 'string' ? `${problem.charAt(0).toLowerCase()}${problem.slice(1).replace(/\.$/, '')};` : undefined
}

/** A bucket in canonical form. */
export const bucket: ValueType<string> = {
  allowed: 's3://bucket/prefix?endpoint=https://host',
  parse: s3Address,
  hint: s3Hint,
}

/** The origin of an S3-compatible store. */
export const storeEndpoint: ValueType<string> = {
  allowed: 'https://host, or http:// to this machine itself (localhost)',
  parse: (text) => parseEndpoint(text)?.origin,
}

export const storeRegion: ValueType<string> = {
  allowed: 'a region such as eu-central-1',
  parse: (text) => isRegion(text) ? text : undefined,
}

/** A command line; its parameters may hold secrets and are not shown. */
export const credentialProgram: ValueType<string> = {
  allowed: `a program and its parameters, of at most ${maxTextLength} characters`,
  parse: (text) => text.trim() !== '' && text.length <= maxTextLength && !/\p{Cc}/u.test(text) ? text : undefined,
  show: (command) => command.trim().replace(/^("[^"]*"|\S+)\s+.+$/s, '$1 …'),
}

/** The folder of a `file:///` address, or undefined when it is not one. */
export function destinationFolder(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const parsed = new URL(url)
  if (parsed.protocol !== 'file:' || parsed.host !== '' || parsed.search !== '' || parsed.hash !== '') return undefined
  try {
    const path = resolve(fileURLToPath(parsed))
    return path.includes('\0') ? undefined : path
  } catch {
    return undefined // an encoded slash
  }
}

export const timeZone: ValueType<string> = {
  allowed: 'the name of a time zone such as Europe/Berlin or UTC',
  parse(text) {
    // Offsets such as +02:00 know no daylight saving time, so a billing day would move twice a year.
    if (!/^[A-Za-z]/.test(text) || text.length > 64) return undefined
    try {
      return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone
    } catch {
      return undefined
    }
  },
}

function within(amount: number | undefined, min: number, max: number): number | undefined {
  return amount !== undefined && amount >= min && amount <= max ? amount : undefined
}
