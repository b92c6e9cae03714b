import { execFile } from 'node:child_process'
import { copyFile, glob, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGuest, whyNoGuest, type Guest } from './guest.ts'

const run = promisify(execFile)
const build = join(import.meta.dirname, '../../packaging/build.ts')
const noGuest = whyNoGuest()

const older = '0.1.0'
const newer = '0.2.0'
const deb = (version: string): string => `sluice_${version}-1_amd64.deb`

const config = `device: guest
state: /var/lib/sluice
streams:
  - { name: events, path: /srv/captures, purpose: test, files: append }
destination: http://127.0.0.1:8080/
seal: { age: 1s }
`

/** The journal’s lines of what the service itself wrote. */
const ownLines = 'journalctl --quiet --output=json _SYSTEMD_UNIT=sluice.service + SYSLOG_IDENTIFIER=sluice'

describe.skipIf(noGuest)(`the Debian package on a real systemd${noGuest ? ` (${noGuest})` : ''}`, { timeout: 180_000 }, () => {
  let folder = ''
  let guest: Guest
  let lintian: Promise<string>
  let written = 0

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-'))
    const [started] = await Promise.all([startGuest(), buildBoth(folder)])
    guest = started
    // Half a minute, in which the guest mostly waits.
    lintian = run('lintian', ['--allow-root', '--fail-on', 'error', join(folder, deb(older))]).then(() => '', (error: Error) => String(error))
    for (const version of [older, newer]) await copyFile(join(folder, deb(version)), join(guest.root, 'root', deb(version)))
  }, 240_000)

  afterAll(async () => {
    await guest?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }, 60_000)

  /** Captures something; one line a call and none twice, so that what is lost or comes twice is seen. */
  const capture = async (lines: number): Promise<void> => {
    const from = written + 1
    written += lines
    await guest.run(`seq -f '{"line":%.0f,"what":"something that was seen"}' ${from} ${written} >> /srv/captures/events.jsonl`)
  }

  /** All that was captured can be pulled from the collector, byte for byte. */
  const allArrived = async (): Promise<void> => {
    await guest.until('rm -rf /root/pulled && sluice pull file:///srv/packs /root/pulled && cmp /srv/captures/events.jsonl "$(find /root/pulled -name events.jsonl)"')
    await guest.run('sluice verify file:///srv/packs')
  }

  const property = async (name: string): Promise<string> => (await guest.run(`systemctl show --value --property=${name} sluice`)).trim()
  const startCollector = (): Promise<string> => guest.run('systemd-run --quiet --unit=collector --collect sluice collector --folder /srv/packs')

  test('installs without a network, asks nothing, and does nothing until there is a config', async () => {
    await guest.run(`DEBIAN_FRONTEND=noninteractive dpkg -i /root/${deb(older)} < /dev/null`)
    expect(await guest.run('systemctl is-enabled sluice')).toBe('enabled\n')
    expect(await property('ActiveState')).toBe('inactive')
    expect(await property('ConditionResult')).toBe('no')
    expect(await guest.run('getent passwd sluice')).toMatch(/:\/usr\/sbin\/nologin\n$/)
    expect(await guest.run('sluice --version')).toContain(older)
    expect((await guest.attempt('ls /var/lib/sluice')).code).not.toBe(0)
  })

  test('the hardened unit is as little exposed as the documents say', async () => {
    const answer = await guest.run('systemd-analyze security --no-pager sluice.service')
    const exposure = Number(/Overall exposure level for sluice\.service: ([\d.]+)/.exec(answer)?.[1])
    expect(exposure).toBeLessThanOrEqual(2)
    const checked = await guest.attempt('systemd-analyze verify --man=no sluice.service')
    expect(checked).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('configured and enrolled, it sends', async () => {
    await guest.run('mkdir -p /srv/captures && setfacl -m u:sluice:rX -m d:u:sluice:rX /srv/captures')
    await capture(1000)
    await writeFile(join(guest.root, 'etc/sluice/config.yaml'), config)
    const { token } = JSON.parse(await guest.run('umask 077 && sluice collector token --folder /srv/packs --create --json')) as { readonly token: string }
    await startCollector()
    await guest.run('timeout 60 systemctl start sluice')
    await guest.run(`echo ${token} | runuser -u sluice -- sluice enrol`)
    await allArrived()
    expect(await property('ActiveState')).toBe('active')
    expect(await guest.run('ps -o user= -p $(systemctl show --value -p MainPID sluice)')).toBe('sluice\n')
  })

  test('killed, it is started again and nothing is lost or sent twice', async () => {
    await capture(1000)
    await guest.run('systemctl kill --signal=KILL --kill-who=main sluice')
    await capture(1000)
    await guest.until('[ "$(systemctl show --value -p NRestarts sluice)" -ge 1 ] && systemctl is-active sluice')
    await allArrived()
  })

  test('hanging, it is ended by the watchdog and started again', async () => {
    await guest.run('mkdir -p /run/systemd/system/sluice.service.d && printf "[Service]\\nWatchdogSec=5s\\n" > /run/systemd/system/sluice.service.d/test.conf')
    await guest.run('systemctl daemon-reload && timeout 60 systemctl restart sluice')
    const before = Number(await property('NRestarts'))
    await guest.run('systemctl kill --signal=STOP --kill-who=main sluice')
    await capture(1000)
    await guest.until(`[ "$(systemctl show --value -p NRestarts sluice)" -gt ${before} ] && systemctl is-active sluice`, 90_000)
    expect(await guest.run('journalctl --quiet -u sluice')).toMatch(/Watchdog timeout/)
    await allArrived()
    await guest.run('rm -r /run/systemd/system/sluice.service.d && systemctl daemon-reload')
  })

  test('what it writes to the journal is JSON, a line for each event', async () => {
    const lines = (await guest.run(ownLines)).trim().split('\n').map((line) => JSON.parse(line) as { readonly MESSAGE: string, readonly _TRANSPORT: string })
    const events = lines.filter(({ _TRANSPORT }) => _TRANSPORT === 'stdout').map(({ MESSAGE }) => JSON.parse(MESSAGE) as Record<string, unknown>)
    expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(['service.started', 'pack.sent']))
    for (const event of events) {
      expect(event).toSatisfy(({ time, level }: typeof event) => !Number.isNaN(Date.parse(String(time))) && /^(debug|info|warn|error|fatal)$/.test(String(level)))
    }
  })

  test('another user can neither command it nor read what it keeps', async () => {
    const asNobody = (command: string) => guest.attempt(`setpriv --reuid=nobody --regid=nogroup --clear-groups sh -c '${command}'`)
    const folders = (await guest.run('find /var/lib/sluice /var/cache/sluice /run/sluice -type d -prune')).trim().split('\n')
    for (const path of folders) expect((await asNobody(`ls ${path}`)).stderr, path).toMatch(/Permission denied/)
    for (const command of ['pause 30m', 'resume', 'send-now --yes', 'cap set 1GB/month']) {
      expect((await asNobody(`HOME=/nonexistent sluice ${command} --state /var/lib/sluice`)).code, command).not.toBe(0)
    }
    const sockets = (await guest.run('find /var/lib/sluice /run/sluice -type s')).trim().split('\n')
    for (const path of sockets) expect((await asNobody(`test -w ${path}`)).code, path).not.toBe(0)
    expect(await guest.run('runuser -u sluice -- sluice status')).not.toBe('')
  })

  test('upgraded with a backlog, it sends the backlog, and what an administrator changed stays', async () => {
    await guest.run('systemctl stop collector && echo "# ours" >> /etc/sluice/policy.d/README')
    await capture(1000)
    await guest.until('[ -n "$(find /var/lib/sluice/spool -type f)" ]')
    const before = await property('MainPID')
    await guest.run(`dpkg -i /root/${deb(newer)} < /dev/null`)
    expect(await guest.run('sluice --version')).toContain(newer)
    await guest.until('systemctl is-active sluice')
    expect(await property('MainPID')).not.toBe(before)
    expect(await guest.run('tail -1 /etc/sluice/policy.d/README; find /var/lib/sluice/spool -type f | wc -l')).toMatch(/^# ours\n[1-9]/)
    await startCollector()
    // As somebody would who does not want to wait for the next try.
    await guest.until('[ $(journalctl --quiet -u collector --output=cat | grep -c collector.started) -ge 2 ]')
    await guest.run('runuser -u sluice -- sluice send-now --yes')
    await allArrived()
  })

  test('removed, it ends and keeps state and config', async () => {
    await guest.run('dpkg --remove sluice < /dev/null')
    expect((await guest.attempt('systemctl is-active sluice')).code).not.toBe(0)
    expect((await guest.attempt('ls /usr/lib/sluice /usr/bin/sluice')).stdout).toBe('')
    await guest.run('test -f /etc/sluice/config.yaml && test -f /var/lib/sluice/journal.sqlite')
  })

  test('purged, it asks nothing and leaves nothing but its user', async () => {
    await guest.run('systemctl stop collector; rm -rf /srv/packs /root/pulled /root/*.deb; dpkg --purge sluice < /dev/null')
    const left = await guest.run('find / -xdev -name "*sluice*" -not -path "/proc/*" -not -path "/var/log/journal/*"; find /run -name "*sluice*"')
    expect(left).toBe('')
    expect(await guest.run('dpkg --audit; systemctl --failed --plain --no-legend; getent passwd sluice')).toMatch(/^sluice:[^\n]*\n$/)
  })

  test('lintian finds no error in it', async () => {
    expect(await lintian).toBe('')
  })
})

describe('the archive for systems that have a Node.js', { timeout: 120_000 }, () => {
  let folder = ''
  const archive = (out: string): string => join(folder, out, `sluice-${older}.tar.gz`)

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-'))
    for (const out of ['one', 'two']) await run(process.execPath, [build, '--quick', '--only', 'any', '--version', older, '--out', join(folder, out)])
    await run('tar', ['-C', folder, '-xf', archive('one')])
  }, 120_000)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test('is the same for the same sources', async () => {
    const [one, two] = await Promise.all(['one', 'two'].map((out) => readFile(archive(out))))
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true)
  })

  test('has all that its code needs', async () => {
    const home = join(folder, `sluice-${older}`, 'lib/sluice')
    const { dependencies } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as { readonly dependencies: Record<string, string> }
    const script = `for (const name of ${JSON.stringify(Object.keys(dependencies))}) await import(name)`
    await writeFile(join(home, 'load.mjs'), script)
    await run(process.execPath, [join(home, 'load.mjs')], { env: { PATH: '' } })
    for await (const path of glob('**/*.ts', { cwd: home, exclude: (name) => String(name) === 'node_modules' })) {
      const names = (await readFile(join(home, path), 'utf8')).matchAll(/^(?:import .*|\} )from '([^'.][^':]*)'/gm)
      for (const [, name = ''] of names) expect(Object.keys(dependencies), path).toContain(packageOf(name))
    }
  })

  test('starts from wherever its command is linked to', async () => {
    await symlink(join(folder, `sluice-${older}`, 'bin/sluice'), join(folder, 'sluice'))
    const { stdout } = await run(join(folder, 'sluice'), ['--version'], { env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder } })
    expect(stdout.trim()).toBe(older)
  })
})

function packageOf(specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

/** One after the other: a small machine makes a system at the same time. */
async function buildBoth(folder: string): Promise<void> {
  for (const version of [older, newer]) {
    await run(process.execPath, [build, '--quick', '--only', 'deb', '--version', version, '--out', folder])
  }
}
