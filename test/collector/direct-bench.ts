import { onTestFinished } from 'vitest'
import { directDestination } from '../../src/transfer/direct.ts'
import type { Destination } from '../../src/transfer/destination.ts'
import type { Link } from '../../src/transfer/link/link.ts'
import { patient, plainLink, tusAt } from '../transfer/tus-bench.ts'

export interface DirectBench {
  readonly url: string
  readonly credential: string
  readonly uploads?: Map<string, string>
  readonly linkTo?: () => Link
  readonly now?: () => number
}

/** A device's destination that puts packs into the store of a collector; its links end with the test. */
export function directAt({ url, credential: shown, uploads = new Map<string, string>(), linkTo = plainLink, now = Date.now }: DirectBench): Destination {
  const [link, storeLink] = [linkTo(), linkTo()]
  onTestFinished(async () => {
    await link[Symbol.asyncDispose]()
    await storeLink[Symbol.asyncDispose]()
  })
  const credential = (): string => shown
  const tus = tusAt({ url, link, uploads, credential, now })
  return directDestination({ tus, url: new URL(url), link, storeLink, uploads, credential, now, patience: patient })
}
