import { parsePackFileName, packFileName, type PackName } from './destination.ts'
import type { Answer } from './tus-answer.ts'

/** Why a collector refused a request (docs/collector-api.md). */
export interface Refusal {
  /** `log-gap`, `quota-full` … Any server may answer with codes of its own. */
  readonly code: string
  /** One line, made safe to show. */
  readonly message?: string
  /** Where the collector says that a log ends. */
  readonly head?: Pick<PackName, 'seq' | 'hash'>
}

const mostCodeCharacters = 64
const mostMessageCharacters = 300

/** The refusal in the body of an answer; undefined where there is none. A code decides, whatever the status says. */
export function refusalOf({ status, text }: Pick<Answer, 'status' | 'text'>): Refusal | undefined {
  if (status < 400) return undefined
  const body = parsed(text)
  if (!body) return undefined
  const { code, message, head } = body
  if (typeof code !== 'string' || code.length > mostCodeCharacters || !/^[a-z][a-z0-9-]*$/.test(code)) return undefined
  const place = headOf(head)
  return {
    code,
    ...(typeof message === 'string' && { message: message.replace(/[\p{C}\p{Z}]+/gu, ' ').trim().slice(0, mostMessageCharacters) }),
    ...(place && { head: place }),
  }
}

function headOf(value: unknown): Refusal['head'] {
  if (typeof value !== 'object' || value === null || !('seq' in value) || !('hash' in value)) return undefined
  const { seq, hash } = value
  if (typeof seq !== 'number' || typeof hash !== 'string') return undefined
  const device = 'any'
  return parsePackFileName(device, packFileName({ device, seq, hash })) ? { seq, hash } : undefined
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null ? body as Readonly<Record<string, unknown>> : undefined
  } catch {
    return undefined // no JSON, or cut off where reading an answer ends
  }
}
