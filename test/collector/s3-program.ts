import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { Accounts } from '../../src/collector/accounts.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { cephKeys, type Ceph } from '../transfer/ceph.ts'
import { startProgram, type Program } from './program.ts'
import { s3Place, type S3Place } from './s3-bench.ts'

export interface S3Programs extends S3Place {
  /** Of the collectors. */
  readonly config: string
  /** Of laptop-1. */
  readonly credential: string
  /** Another collector on the bucket, as a process; `endpoint`: its way to the store. */
  readonly start: (endpoint?: string) => Promise<Program>
}

/** Collectors as processes of their own on an empty place in a bucket. */
export async function s3Programs(ceph: Ceph): Promise<S3Programs> {
  const place = await s3Place(ceph)
  const folder = await temporaryFolder()
  const keys = join(folder, 'keys')
  await writeFile(keys, `[default]\naws_access_key_id = ${cephKeys.accessKeyId}\naws_secret_access_key = ${cephKeys.secretAccessKey}\n`)
  const configFor = async (endpoint: string): Promise<string> => {
    const config = join(folder, `collector-${new URL(endpoint).port}.yaml`)
    const store = place.address.replace(ceph.endpoint, endpoint)
    await writeFile(config, `store: "${store}"\ns3: { credentialsFile: keys }\nlisten: 127.0.0.1:0\n`)
    return config
  }
  const accounts = new Accounts(place.store.records, Date.now, 0)
  const token = await accounts.makeToken({ device: 'laptop-1', uses: 1, expiresAt: Date.now() + 60_000 })
  return {
    ...place,
    config: await configFor(ceph.endpoint),
    credential: (await accounts.enrol('laptop-1', token)).credential,
    async start(endpoint = ceph.endpoint) {
      const program = await startProgram('--config', await configFor(endpoint))
      onTestFinished(() => void program.child.kill('SIGKILL'))
      return program
    },
  }
}
