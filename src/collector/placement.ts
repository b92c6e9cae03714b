import { noPrevious, type PackHeader } from '../pack/header.ts'
import { toHex } from '../pack/sha256.ts'
import type { PackName } from '../transfer/destination.ts'
import { Refusal } from './refusal.ts'

/** Where a pack stands to the log of its device: the next of it, or its head already. Throws what speaks against both. */
export function placeOf(name: PackName, head: PackName | undefined): 'next' | 'head' {
  const next = (head?.seq ?? 0) + 1
  if (name.seq === next) return 'next'
  const details = { head: head ?? null }
  if (name.seq > next) throw new Refusal('log-gap', `The log goes on with seq ${next}, not ${name.seq}.`, details)
  if (name.seq === head?.seq && name.hash === head.hash) return 'head'
  throw new Refusal('log-forked', `The log has a pack with seq ${name.seq} already; it ends at ${head?.seq ?? 0}.`, details)
}

/** Whether a pack may come behind the head. Throws `log-gap` or `log-forked`. */
export function mayFollow(name: PackName, header: PackHeader, head: PackName | undefined): void {
  if (placeOf(name, head) === 'head') return
  if (toHex(header.previous) === (head?.hash ?? toHex(noPrevious))) return
  throw new Refusal('log-forked', `The pack names another predecessor than the log has at seq ${head?.seq ?? 0}.`, { head: head ?? null })
}
