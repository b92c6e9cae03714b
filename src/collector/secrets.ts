import { timingSafeEqual } from 'node:crypto'
import { isDeviceName } from '../pack/header.ts'
import { sha256, toHex } from '../pack/sha256.ts'

/** Bytes of a secret: so many that guessing is hopeless and a plain hash of it protects it. */
export const secretBytes = 32

/** What `Authorization: Bearer` carries. */
export interface Credential {
  readonly device: string
  /** The whole text, secret included. */
  readonly text: string
}

/** `slc1.<device>.<secret>` */
export function credentialText(device: string, secret: Uint8Array): string {
  return `slc1.${device}.${Buffer.from(secret).toString('base64url')}`
}

/** `slt1.<secret>` */
export function tokenText(secret: Uint8Array): string {
  return `slt1.${Buffer.from(secret).toString('base64url')}`
}

/** The credential in an Authorization header, or undefined when there is none of the right form. */
export function parseAuthorization(header: string | undefined): Credential | undefined {
  const [, text = '', device = ''] = /^bearer (slc1\.([^\s]{1,64})\.[\w-]{43})$/i.exec(header ?? '') ?? []
  return isDeviceName(device) ? { device, text } : undefined
}

export function isTokenText(text: string): boolean {
  return /^slt1\.[\w-]{43}$/.test(text)
}

/** What is kept of a secret. */
export function hashOf(secret: string): string {
  return toHex(sha256(Buffer.from(secret)))
}

/** Whether a secret is the one whose hash was kept, in a time that tells nothing about either. */
export function isSecretOf(secret: string, hash: string): boolean {
  const [given, kept] = [Buffer.from(hashOf(secret), 'hex'), Buffer.from(hash, 'hex')]
  return given.length === kept.length && timingSafeEqual(given, kept)
}
