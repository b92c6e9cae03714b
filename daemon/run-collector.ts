import { homedir } from 'node:os'
import type { CollectorConfig } from '../config/collector-options.ts'
import { Accounts } from '../src/collector/accounts.ts'
import { startCollector } from '../src/collector/collector.ts'
import { openFolderStore } from '../src/collector/folder-store.ts'
import { defaultLimits } from '../src/collector/limits.ts'
import type { CollectorStore } from '../src/collector/store.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import type { EmitCollector } from '../src/observe/collector-events.ts'

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
export function openAccounts(store: CollectorStore): Accounts {
  return new Accounts(store.records, Date.now, defaultLimits.credentialMs)
}

/** Runs a collector until SIGTERM or SIGINT. SIGHUP reads the TLS files again. Throws `config-invalid` and `state-unusable`. */
export async function runCollector(config: CollectorConfig, emit: EmitCollector): Promise<void> {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  let reload = (): void => undefined
  process.on('SIGTERM', () => { resolve() }).on('SIGINT', () => { resolve() }).on('SIGHUP', () => { reload() })
  await using collector = await startCollector({ ...config, store: await openStore(config), emit })
  reload = () => { collector.reloadCertificate() }
  await asked
}
