import { createHash } from 'node:crypto'
import type { OutgoingPack } from '../destination.ts'
import { sliceBytes } from '../destination.ts'
import { byteCountOf, headerOf, refused } from '../tus-answer.ts'
import { packKey } from './address.ts'
import { plainTag, type S3Answer, type S3Client, type S3Question } from './client.ts'

/** What was learnt of a store's conditions, as long as this process lives. */
export class Conditions {
  /** The store refused `If-None-Match`: it is asked beforehand what is there. */
  unsupported = false

  /** Whether a pack is there; throws when something else is in its place. */
  async isThere(client: S3Client, pack: OutgoingPack): Promise<boolean> {
    const key = packKey(client.place, pack.name)
    const answer = await client.ask({ method: 'HEAD', key })
    if (answer.status === 404) return false
    if (!answer.isSuccess) throw await client.explain(answer, key, 'look for a pack')
    const foundBytes = byteCountOf(answer, 'content-length')
    if (foundBytes === pack.sizeBytes && await isRight(answer, pack)) return true
    throw refused(
      `${client.place.words} holds ${foundBytes ?? 'an unknown number of'} bytes as ${key}, which are not the pack of that name: `
      + 'the object there is damaged. Remove it, and the pack is sent again.',
      { data: { packBytes: pack.sizeBytes, ...(foundBytes !== undefined && { foundBytes }) } },
    )
  }
}

/** Whether a tag that is an MD5 is that of the pack: neither of parts, nor of what the store encrypted with keys of its own. */
async function isRight(answer: S3Answer, pack: OutgoingPack): Promise<boolean> {
  const etag = plainTag(headerOf(answer, 'etag'))
  const encryption = headerOf(answer, 'x-amz-server-side-encryption') ?? 'AES256'
  const hasOwnKey = headerOf(answer, 'x-amz-server-side-encryption-customer-algorithm') !== undefined
  if (!/^[0-9a-f]{32}$/.test(etag) || encryption !== 'AES256' || hasOwnKey) return true
  const md5 = createHash('md5')
  for (let at = 0; at < pack.sizeBytes; at += sliceBytes) md5.update(await pack.read(at, Math.min(sliceBytes, pack.sizeBytes - at)))
  return md5.digest('hex') === etag
}

/** Makes a request only if there is no object of that name; `conflict` when there is one, or is about to be. */
export async function conditional(client: S3Client, conditions: Conditions, question: S3Question): Promise<S3Answer | 'conflict'> {
  if (!conditions.unsupported) {
    const answer = await client.ask({ ...question, headers: { ...question.headers, 'if-none-match': '*' } })
    if (answer.status === 412 || conflicts.has(answer.refusal?.code ?? '')) return 'conflict'
    if (!refusesCondition(answer)) return answer
    const found = await client.ask({ method: 'HEAD', key: question.key })
    if (found.isSuccess) return 'conflict'
    if (found.status !== 404) throw await client.explain(found, question.key, 'look for a pack')
  }
  const answer = await client.ask(question)
  if (answer.isSuccess) conditions.unsupported = true
  return answer
}

const conflicts = new Set(['PreconditionFailed', 'ConditionalRequestConflict'])
const conditionRefusals = new Set(['NotImplemented', 'InvalidArgument', 'InvalidRequest', 'InvalidHeader', 'UnsupportedHeader'])

function refusesCondition({ status, refusal }: S3Answer): boolean {
  return status === 501 || (status === 400 && (!refusal || conditionRefusals.has(refusal.code)))
}
