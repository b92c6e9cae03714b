import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { CollectorConfig } from '../config/collector-options.ts'
import { Accounts } from '../src/collector/accounts.ts'
import { startCollector } from '../src/collector/collector.ts'
import { openFolderStore } from '../src/collector/folder-store.ts'
import { defaultLimits } from '../src/collector/limits.ts'
import type { CollectorStore } from '../src/collector/store.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import type { EmitCollector } from '../src/observe/collector-events.ts'
import type { SluiceError } from '../src/observe/error.ts'

/** Ctrl-C reaches a process twice where a launcher hands it on as well. */
const sameSignalMs = 500
const exitMs = 1000

/** The store that a config names, a bucket with keys of this process. Throws `state-unusable`, and what the bucket's store says. */
export async function openStore({ folder, store, s3 = {} }: Partial<Pick<CollectorConfig, 'folder' | 'store' | 's3'>>): Promise<CollectorStore> {
  if (folder !== undefined) return await openFolderStore(folder, realDisk, Date.now)
  const [{ openPlace }, { Bucket }, { openS3Store }] = await Promise.all([
    import('../src/transfer/s3/open.ts'), import('../src/collector/s3-bucket.ts'), import('../src/collector/s3-store.ts'),
  ])
  const { place, signer } = openPlace(store ?? '', { settings: s3, environment: process.env, home: homedir(), now: Date.now })
  return await openS3Store(new Bucket(place, signer, Date.now), Date.now)
}

/** Who may write to a store, for commands beside a collector that runs, or does not. */
export function openAccounts(store: CollectorStore, onDamaged?: (error: SluiceError) => void): Accounts {
  return new Accounts(store.records, Date.now, defaultLimits.credentialMs, onDamaged)
}

/** Whether a collector has ever kept something in a folder. */
export async function isCollected(folder: string): Promise<boolean> {
  return await stat(join(folder, '.collector')).then((stats) => stats.isDirectory(), () => false)
}

/** Runs a collector until SIGTERM or SIGINT, which end it with 0; a second one ends it at once, with 1. SIGHUP reads the TLS files again. Throws `config-invalid` and `state-unusable`. */
export async function runCollector(config: CollectorConfig, emit: EmitCollector): Promise<void> {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  let reload = (): void => undefined
  let askedAt: number | undefined
  const stop = (): void => {
    if (askedAt !== undefined && performance.now() - askedAt > sameSignalMs) process.exit(1)
    askedAt ??= performance.now()
    resolve()
  }
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', () => { reload() })
  const collector = await startCollector({ ...config, store: await openStore(config), emit })
  reload = () => { collector.reloadCertificate() }
  await asked
  await collector.stop()
  // Reached only while something still keeps the process, such as a write that was given up: nothing confirmed depends on it.
  setTimeout(() => { process.exit(0) }, exitMs).unref()
}
