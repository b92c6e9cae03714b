/**
 * Claim: a pack that a request may still put in its place is not given up, whatever is answered to requests after it; and
 * one whose every request was refused is.
 *
 * Method: a store in memory that takes all of a put, or of a completion, and hangs up; minutes later it answers otherwise,
 * as told. Whether the pack may be given up is asked by its memory alone, as after a restart.
 *
 * Not modelled: the request that is fulfilled late; what loss does to the requests themselves.
 */
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { packOf, putAborting } from './packs.ts'
import { s3At } from './s3-bench.ts'
import { refuse, startStore, type Store, type StoreRequest } from './s3-store.ts'

const startedAt = Date.parse('2026-11-23T12:00:00Z')
const laterMs = 5 * 60_000
const settleMs = 15 * 60_000
const partBytes = 4 * sliceBytes
const [small, large] = [sliceBytes, 3 * partBytes]

type Reply = (response: ServerResponse) => void

const isWhole = ({ method, query }: StoreRequest) => method === (query.has('uploadId') ? 'POST' : 'PUT') && !query.has('partNumber')
const isBegin = ({ method, query }: StoreRequest) => method === 'POST' && query.has('uploads')
const hangsUp: Reply = (response) => { response.req.resume().on('end', () => response.destroy()) }
const says = (status: number, code: string): Reply => (response) => { refuse(response, status, code) }

/** A store that answers as it is told at the moment, and a pack to put there. */
async function bench(sizeBytes: number) {
  const state: { reply?: Reply, isMeant: (request: StoreRequest) => boolean, now: number } = { isMeant: isWhole, now: startedAt }
  const store = await startStore({
    intercept(request, response) {
      if (!state.reply || !state.isMeant(request)) return false
      state.reply(response)
      return true
    },
  })
  onTestFinished(() => store[Symbol.asyncDispose]())
  const uploads = new Map<string, string>()
  const at = () => s3At({ address: `s3://packs?endpoint=${store.endpoint}`, uploads, partBytes, now: () => state.now })
  const pack = packOf(1, randomBytes(sizeBytes))
  return { store, state, pack, at, abandon: () => at().abandon(pack.name) }
}

const changesPart = (store: Store): void => {
  for (const { parts } of store.uploads.values()) parts.set(3, randomBytes(9))
}

test.each([
  ['a small pack, then 403', small, says(403, 'AccessDenied'), undefined],
  ['a small pack, then 404', small, says(404, 'NoSuchBucket'), undefined],
  ['a large pack, then 403', large, says(403, 'AccessDenied'), undefined],
  ['a large pack, then 403 after a part was sent again', large, says(403, 'AccessDenied'), changesPart],
  ['a large pack, then its upload is gone and no other may begin', large, says(403, 'AccessDenied'), (store: Store) => { store.uploads.clear() }],
  ['a large pack, then its parts are refused and no other upload may begin', large, says(400, 'InvalidPart'), undefined],
] as const)('%s: the lost answer counts as before', async (_, sizeBytes, reply, meanwhile) => {
  const { store, state, pack, at, abandon } = await bench(sizeBytes)
  state.reply = hangsUp
  await expect(at().put(pack)).rejects.toMatchObject({ code: 'destination-unreachable' })
  meanwhile?.(store)
  state.now += laterMs
  state.reply = reply
  state.isMeant = (request) => isWhole(request) || isBegin(request)
  await expect(at().put(pack)).rejects.toThrow()
  await expect(abandon()).rejects.toMatchObject({ code: 'destination-busy', data: { retryAfterMs: settleMs - laterMs } })
  state.now = startedAt + settleMs
  expect(await abandon()).toBe(false)
})

test.each([
  ['a part of which', (store: Store) => { for (const { parts } of store.uploads.values()) parts.delete(2) }],
  ['the upload of which', (store: Store) => { store.uploads.clear() }],
] as const)('a pack, %s is sent anew after a lost answer, and then a cut: the doubt stays', async (_, meanwhile) => {
  const { store, state, pack, at, abandon } = await bench(large)
  state.reply = hangsUp
  await expect(at().put(pack)).rejects.toMatchObject({ code: 'destination-unreachable' })
  meanwhile(store)
  await putAborting(at(), pack, 2)
  await expect(abandon()).rejects.toMatchObject({ code: 'destination-busy' })
})

describe.each([['small', small], ['large', large]])('a %s pack', (_, sizeBytes) => {
  test('whose requests were all refused is given up at once', async () => {
    const { state, pack, at, abandon } = await bench(sizeBytes)
    state.reply = says(403, 'AccessDenied')
    for (let tries = 0; tries < 2; tries++) await expect(at().put(pack)).rejects.toMatchObject({ code: 'destination-forbidden' })
    expect(await abandon()).toBe(false)
  })

  test('that another request is about to put there is in doubt', async () => {
    const { state, pack, at, abandon } = await bench(sizeBytes)
    state.reply = says(409, 'ConditionalRequestConflict')
    await expect(at().put(pack)).rejects.toMatchObject({ code: 'destination-busy' })
    await expect(abandon()).rejects.toMatchObject({ code: 'destination-busy', data: { retryAfterMs: settleMs } })
  })
})
