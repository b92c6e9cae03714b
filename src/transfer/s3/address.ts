import type { PackName } from '../destination.ts'
import { packFileName } from '../destination.ts'
import { isLoopback } from '../tus-address.ts'

export type S3Style = 'path' | 'virtual'

/** What an address may leave out, from the config or the environment. */
export interface S3Defaults {
  readonly endpoint?: string
  readonly region?: string
  readonly style?: S3Style
}

/** A bucket, or a prefix in one, at an S3-compatible store. */
export interface S3Place {
  /** `s3://bucket/prefix?endpoint=…`, with what the address itself says. */
  readonly url: string
  readonly bucket: string
  /** Without slashes at its ends; empty for the bucket itself. */
  readonly prefix: string
  /** An origin. */
  readonly endpoint: URL
  readonly region: string
  readonly style: S3Style
  /** For messages. */
  readonly words: string
}

/** Where requests are signed for when nobody says: what stores that know no regions take. */
const assumedRegion = 'us-east-1'
/** Keys have at most 1024 bytes; a device and a pack's name take 150 of them. */
const mostPrefixBytes = 512

const parameters = ['endpoint', 'region', 'style'] as const

/** The place that an address names; a sentence that says what is wrong with it otherwise. */
export function parseS3Address(address: string, defaults: S3Defaults = {}): S3Place | string {
  const [, bucket = '', path = '', query = ''] = /^s3:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(address) ?? []
  if (bucket.includes('@')) return 'Keys are not taken here, where everyone sees them.'
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    return 'It takes s3://bucket/prefix, the bucket with 3 to 63 letters a-z, digits, dots and hyphens.'
  }
  const prefix = prefixOf(path)
  if (prefix === undefined) return 'Its prefix takes parts of text between slashes, none of them empty, "." or "..".'
  const given = new URLSearchParams(query)
  const unknown = [...given.keys()].find((key, at, all) => !parameters.some((known) => known === key) || all.indexOf(key) !== at)
  if (unknown !== undefined) return 'After ? it takes endpoint=, region= and style=, each once.'
  const region = given.get('region') ?? defaults.region ?? assumedRegion
  if (!isRegion(region)) return 'A region has letters, digits and hyphens.'
  const endpointText = given.get('endpoint') ?? defaults.endpoint
  const endpoint = endpointText === undefined ? amazon(region) : parseEndpoint(endpointText)
  if (!endpoint) return 'An endpoint takes https://host without a path; http:// only for this machine (localhost).'
  const asked = given.get('style') ?? defaults.style
  if (asked !== undefined && asked !== 'path' && asked !== 'virtual') return 'A style is path or virtual.'
  // The certificate of *.host is not one for a name with a further dot.
  const style = asked ?? (endpointText === undefined && !bucket.includes('.') ? 'virtual' : 'path')
  const said = parameters.flatMap((key) => given.has(key) ? [`${key}=${key === 'endpoint' ? endpoint.origin : given.get(key)}`] : [])
  const base = `s3://${bucket}${prefix === '' ? '' : `/${encodePath(prefix)}`}`
  const url = said.length === 0 ? base : `${base}?${said.join('&')}`
  return { url, bucket, prefix, endpoint, region, style, words: `${base} at ${endpoint.host}` }
}

export function isRegion(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,62}$/i.test(text)
}

function prefixOf(path: string): string | undefined {
  let prefix: string
  try {
    prefix = decodeURIComponent(path.replace(/\/$/, ''))
  } catch {
    return undefined
  }
  if (prefix === '') return prefix
  const isSound = prefix.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  return isSound && !/\p{Cc}/u.test(prefix) && Buffer.byteLength(prefix) <= mostPrefixBytes ? prefix : undefined
}

function amazon(region: string): URL {
  return new URL(`https://s3.${region.toLowerCase()}.amazonaws.com${/^cn-/i.test(region) ? '.cn' : ''}`)
}

/** An origin that may be used: `https://`, or `http://` to this machine. */
export function parseEndpoint(text: string): URL | undefined {
  if (!/^https?:\/\/[^/?#@]+\/?$/i.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  return url.protocol === 'https:' || isLoopback(url.hostname) ? url : undefined
}

/** The URL of an object, or of the bucket; the query is signed as it stands here. */
export function s3Url({ endpoint, style, bucket }: S3Place, key: string, query: Readonly<Record<string, string>> = {}): URL {
  const origin = style === 'path' ? `${endpoint.origin}/${bucket}` : `${endpoint.protocol}//${bucket}.${endpoint.host}`
  const search = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')
  return new URL(`${origin}/${encodePath(key)}${search === '' ? '' : `?${search}`}`)
}

/** `prefix/`, in which each device has a folder. */
export function rootPrefix({ prefix }: S3Place): string {
  return prefix === '' ? '' : `${prefix}/`
}

/** `prefix/device/`, in which its packs are. */
export function devicePrefix(place: S3Place, device: string): string {
  return `${rootPrefix(place)}${device}/`
}

export function packKey(place: S3Place, name: PackName): string {
  return devicePrefix(place, name.device) + packFileName(name)
}

function encodePath(path: string): string {
  return path.split('/').map(encode).join('/')
}

/** As signatures want it: everything but the unreserved characters of RFC 3986. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
}
