import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import aws4 from 'aws4'
import { freePorts } from '../../bench/lib/port.ts'

const run = promisify(execFile)

const programs = ['radosgw', 'radosgw-admin', 'ceph-mon', 'ceph-osd', 'ceph-mgr', 'ceph']

/** Why there is no Ceph here, to skip with; undefined when there is. */
export const noCeph = programs.every((name) => existsSync(`/usr/bin/${name}`))
  ? undefined
  : 'needs the packages radosgw ceph-mon ceph-osd ceph-mgr ceph-common'

export const cephKeys = { accessKeyId: 'TESTKEY', secretAccessKey: 'TESTSECRET' }

/** A Ceph cluster with an S3 gateway: three OSDs, each object on two of them. */
export interface Ceph extends AsyncDisposable {
  readonly folder: string
  /** `http://127.0.0.1:4711` */
  readonly endpoint: string
  /** Makes a bucket and returns its name. */
  bucket(): Promise<string>
  /** A signed request; throws unless it succeeds. The answer's text. */
  request(method: string, path: string, body?: string): Promise<string>
  /** Ends an OSD, 0 to 2, without warning. */
  killOsd(id: number): Promise<void>
  startOsd(id: number): Promise<void>
}

/** A bluestore keeps what it has over a restart; a memstore starts sooner and forgets. */
export async function startCeph(store: 'memstore' | 'bluestore' = 'memstore'): Promise<Ceph> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-ceph-'))
  const [monitorPort, port] = await freePorts(2)
  const endpoint = `http://127.0.0.1:${port}`
  const stop = async (): Promise<void> => {
    for (const file of await readdir(join(folder, 'run'))) {
      if (file.endsWith('.pid')) await kill(join(folder, 'run', file))
    }
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await run('bash', [join(import.meta.dirname, 'ceph.sh'), folder, String(monitorPort), String(port), store, String(process.pid)])
    for (let isUp = false; !isUp; await setTimeout(isUp ? 0 : 200)) isUp = await fetch(endpoint).then(() => true, () => false)
  } catch (error) {
    await stop()
    throw error
  }
  let buckets = 0
  const ceph: Ceph = {
    folder,
    endpoint,
    async bucket() {
      const name = `bucket-${++buckets}`
      await ceph.request('PUT', `/${name}`)
      return name
    },
    async request(method, path, body) {
      const { headers } = aws4.sign({
        service: 's3', region: 'us-east-1', method, path, host: `127.0.0.1:${port}`, ...(body !== undefined && { body }),
      }, cephKeys)
      const answer = await fetch(endpoint + path, { method, headers: headers as Record<string, string>, ...(body !== undefined && { body }) })
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
      return await answer.text()
    },
    killOsd: (id) => kill(join(folder, 'run', `osd.${id}.pid`)),
    async startOsd(id) {
      await run('ceph-osd', ['-c', join(folder, 'ceph.conf'), '-i', String(id)])
    },
    [Symbol.asyncDispose]: stop,
  }
  return ceph
}

/** Ends the process whose id is in a file, and waits until it is gone. */
async function kill(pidFile: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''))
  if (!Number.isSafeInteger(pid) || pid <= 1) return
  await rm(pidFile, { force: true })
  try {
    for (process.kill(pid, 'SIGKILL'); ; process.kill(pid, 0)) await setTimeout(20)
  } catch {
    // gone
  }
}
