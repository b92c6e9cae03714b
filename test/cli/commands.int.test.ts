import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { readSettings, updateSettings } from '../../src/journal/settings.ts'
import { hasRun, json, root, runProcess, sandbox } from './run.ts'

/** Messages as they were before they were broken to fit 80 columns. */
const unfolded = (text: string): string => text.replaceAll(/\n(?! {0,2}\S+:\d+:\d+ |sluice: |note: |$) */g, ' ')

describe('help', () => {
  test('of every command ends with examples and fits 80 columns', async () => {
    using box = sandbox()
    const waiting: string[][] = [[]]
    const seen: string[] = []
    for (let command = waiting.shift(); command; command = waiting.shift()) {
      const { code, stdout, stderr } = await box.sluice(...command, '--help')
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout, command.join(' ')).toMatch(/\nExamples:\n {2}sluice .+\n {6}\S/)
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
      seen.push(command.join(' '))
      const listed = /\nCommands:\n([\s\S]*?)\n\n/.exec(stdout)?.[1] ?? ''
      for (const [, name = ''] of listed.matchAll(/^ {2}([a-z-]+)/gm)) if (name !== 'help') waiting.push([...command, name])
    }
    expect(seen).toEqual(expect.arrayContaining([
      '',
      'pause',
      'resume',
      'cap',
      'config',
      'send-now',
      'network set',
      'stream off',
      'cap set',
      'cap list',
      'cap remove',
      'config check',
      'config show',
    ]))
    const files = readdirSync(join(root, 'cli/commands')).map((file) => file.replace('.ts', ''))
    expect(seen).toEqual(expect.arrayContaining(files))
  })

  test('is what a bare command gets, as bad usage', async () => {
    using box = sandbox()
    for (const command of [[], ['cap']]) {
      const { code, stdout, stderr } = await box.sluice(...command)
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toContain('Usage: sluice')
    }
  })
})

describe('bad usage exits with 2, says what and where to look, and prints no stack', () => {
  test.each([
    [['nope'], 'sluice: unknown command \'nope\'. See: sluice --help\n'],
    [['pauze'], 'sluice: unknown command \'pauze\' (Did you mean pause?). See: sluice --help\n'],
    [['pause', '--jsn'], 'sluice: unknown option \'--jsn\' (Did you mean --json?). See: sluice pause --help\n'],
    [
      ['cap', 'set', '5GB/month', '--reset-day', '32'],
      'sluice: option \'--reset-day <day>\' argument \'32\' is invalid. Allowed: 1 to 31. See: sluice cap set --help\n',
    ],
    [['cap', 'sett'], 'sluice: unknown command \'sett\' (Did you mean set?). See: sluice cap --help\n'],
    [
      ['pause', 'soon'],
      'sluice: "soon" is no time to pause: allowed are 30m, 2h, 1h30m (at most 366d), until 18:00 or until tomorrow 08:00\n',
    ],
    [
      ['pause', 'until', '25:00'],
      'sluice: "until 25:00" is no time to pause: allowed are 30m, 2h, 1h30m (at most 366d), until 18:00 or until tomorrow 08:00\n',
    ],
    [
      ['pause', '900d'],
      'sluice: "900d" is no time to pause: allowed are 30m, 2h, 1h30m (at most 366d), until 18:00 or until tomorrow 08:00\n',
    ],
    [
      ['cap', 'set', '5/fortnight'],
      'sluice: "5/fortnight" is no cap: allowed are a size and a period such as 5GB/month, 1GB/week, 200MB/day or 6GB/30days (at most 366)\n',
    ],
    [
      ['cap', 'set', '0/day'],
      'sluice: "0/day" is no cap: allowed are a size and a period such as 5GB/month, 1GB/week, 200MB/day or 6GB/30days (at most 366)\n',
    ],
    [['cap', 'set', '5GB/day', '--reset-day', '3'], 'sluice: --reset-day is for caps per month, not per day\n'],
    [['cap', 'set', '5GB/30days', '--pace'], 'sluice: --pace is for caps per week or month, not per 30 days\n'],
    [['cap', 'set', '5GB/day', '--on', 'wifi'], 'sluice: "wifi" is no class of network: allowed are metered and free\n'],
    [['cap', 'set', '5GB/day', '--stream', 'b'], 'sluice: there is no stream "b"; there are: a\n'],
    [['pause', '--drop', '--hold'], 'sluice: choose one of --drop and --hold\n'],
    [['stream', 'off', 'aa'], 'sluice: there is no stream "aa"; did you mean "a"?\n'],
    [['stream', 'on', 'screens'], 'sluice: there is no stream "screens"; there are: a\n'],
    [['network', 'set', 'home', 'cheap'], 'sluice: "cheap" is no cost of a network: allowed are metered, free and auto\n'],
    [
      ['network', 'set', 'aaaaaaaaaaaa', 'free'],
      'sluice: no network with the id aaaaaaaaaaaa is known: see sluice network list\n',
    ],
    [['send-now', '--for', '3d'], 'sluice: "3d" is no time to send: allowed are 30m, 2h, 1h30m (at most 24h)\n'],
    [
      ['send-now'],
      'sluice: Sluice has not run on this state folder yet, so nothing waits. Start it with: sluice run\n',
    ],
    [['cap', 'remove'], 'sluice: which cap? you have set none\n'],
    [['cap', 'remove', 'day'], 'sluice: there is no cap "day"; you have set none\n'],
  ])('%j', async (command, message) => {
    using box = sandbox()
    const { stderr, ...rest } = await box.sluice(...command)
    expect(rest).toEqual({ code: 2, signal: null, stdout: '' })
    expect(unfolded(stderr)).toBe(message)
    expect(stderr.split('\n').filter((line) => line.length > 80)).toEqual([])
  })

  test('with --json the error is an object on stderr', async () => {
    using box = sandbox()
    const { code, stdout, stderr } = await box.sluice('pause', 'soon', '--json')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(JSON.parse(stderr)).toEqual({
      error: { code: 'usage', message: expect.stringContaining('"soon" is no time') as string },
    })
  })
})

describe('config', () => {
  test('check names every problem with its place and exits with 2', async () => {
    using box = sandbox('effort: 99\nbogus: []\n')
    const file = join(box.folder, 'sluice.yaml')
    const human = await box.sluice('config', 'check', file)
    expect(human).toMatchObject({ code: 2, stdout: '' })
    expect(unfolded(human.stderr)).toContain(`  ${file}:4:9 effort: found "99"; allowed: auto, or a whole number from 1 to 19\n`)
    expect(human.stderr.split('\n').filter((line) => line.length > 80)).toEqual([])
    const machine = await box.sluice('config', 'check', file, '--json')
    expect(machine.code).toBe(2)
    expect(json(machine)).toMatchObject({
      version: 1,
      file,
      valid: false,
      problems: [{ line: 5, key: 'bogus' }, { line: 4, column: 9, key: 'effort' }],
    })
  })

  test('check looks at the files that lead to the destination', async () => {
    using box = sandbox('connection:\n  proxy: http://p.example:1\n  proxyCredential: login\n')
    const file = join(box.folder, 'sluice.yaml')
    const human = await box.sluice('config', 'check', file)
    expect(human).toMatchObject({ code: 2, stdout: '' })
    expect(unfolded(human.stderr)).toContain(`${file}:6:1 connection.proxyCredential: the file is not there; allowed: a file as in`)
    writeFileSync(join(box.folder, 'login'), 'me:hunter2', { mode: 0o600 })
    expect(await box.sluice('config', 'check', file)).toMatchObject({ code: 0 })
    writeFileSync(join(box.folder, 'login'), 'hunter2')
    const machine = await box.sluice('config', 'check', file, '--json')
    expect(json(machine)).toMatchObject({ valid: false, problems: [{ line: 6, key: 'connection.proxyCredential' }] })
    expect(machine.stdout).not.toContain('hunter2')
  })

  test('check accepts a valid file, and a file that is missing or no file is an error', async () => {
    using box = sandbox()
    const file = join(box.folder, 'sluice.yaml')
    expect(await box.sluice('config', 'check', file)).toMatchObject({
      code: 0,
      stdout: `${file} is valid: 1 stream to file://${box.folder}/out\n`,
    })
    expect(json(await box.sluice('config', 'check', file, '--json'))).toEqual({
      version: 1,
      file,
      valid: true,
      problems: [],
    })
    const missing = await box.sluice('config', 'check', `${file}x`)
    expect(missing.code).toBe(2)
    expect(unfolded(missing.stderr)).toBe(`sluice: No config at ${file}x: there is no such file. Name one with --config FILE.\n`)
    expect(unfolded((await box.sluice('config', 'check', box.folder)).stderr)).toContain(
      'found something that is no regular file',
    )
    writeFileSync(file, Buffer.from([0x61, 0xff]))
    expect(unfolded((await box.sluice('config', 'check', file)).stderr)).toContain('found bytes that are no UTF-8')
    writeFileSync(file, Buffer.alloc(300_000, 0x20))
    expect(unfolded((await box.sluice('config', 'check', file)).stderr)).toContain('found more than 262144 bytes')
  })

  test('show prints every value with its origin', async () => {
    using box = sandbox('effort: 9\n')
    const { code, stdout } = await box.sluice('config', 'show')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^effort +9 +line 4$/m)
    expect(stdout).toMatch(/^seal\.size +4 MiB +default$/m)
    const shown = json(await box.sluice('config', 'show', '--json')) as { values: object[] }
    expect(shown.values).toContainEqual({ key: 'effort', value: '9', from: `${box.folder}/sluice.yaml:4` })
    expect(shown.values).toContainEqual({ key: 'timeZone', value: 'Europe/Berlin', from: 'default' })
  })
})

describe('pause and resume', () => {
  test('write the worker’s settings', async () => {
    using box = sandbox()
    const before = Date.now()
    const paused = json(await box.sluice('pause', '1h', '30m', '--json')) as { since: number, until: number }
    expect(paused).toEqual({ version: 1, paused: true, since: paused.since, until: paused.since + 5_400_000, captures: 'hold' })
    expect(paused.since).toBeGreaterThanOrEqual(before)
    expect(readSettings(box.state).pause).toEqual({ since: paused.since, until: paused.until, captures: 'hold' })
    expect(json(await box.sluice('resume', '--json'))).toMatchObject({ version: 1, paused: false, wasPaused: true })
    expect(readSettings(box.state).pause).toBeUndefined()
    expect((await box.sluice('resume')).stdout).toBe('There was no pause.\n')
    expect((await box.sluice('pause')).stdout).toBe(
      'Paused until you run: sluice resume\nWhat is captured meanwhile is read afterwards.\n',
    )
    expect(readSettings(box.state).pause?.until).toBeUndefined()
  })

  test('of some seconds say when they end to the second', async () => {
    using box = sandbox()
    expect((await box.sluice('pause', '10s')).stdout).toMatch(/^Paused until \d\d:\d\d:\d\d\. To go on earlier: sluice resume\n/)
    expect((await box.sluice('pause', '30m')).stdout).toMatch(/^Paused until (\w{3} \d+ \w{3}, )?\d\d:\d\d\. To/)
  })

  test('times are the worker’s: the time zone of the config, not that of the machine', async () => {
    using box = sandbox('timeZone: Asia/Tokyo\n')
    const paused = await box.sluice('pause', 'until', 'tomorrow', '08:00', '--json')
    const { since, until } = json(paused) as { since: number, until: number }
    const shown = new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Tokyo', hour: '2-digit', minute: '2-digit' }).format(until)
    expect(shown).toBe('08:00')
    expect(until - since).toBeGreaterThan(8 * 3_600_000)
    expect((await box.sluice('pause', 'until', 'tomorrow', '08:00')).stdout).toMatch(/^Paused until \w{3} \d+ \w{3}( \d{4})?, 08:00\./)
  })

  test('pausing again says what changed, and a pause that drops leaves what is to be dropped', async () => {
    using box = sandbox()
    await box.sluice('pause', '1h', '--drop')
    const longer = (await box.sluice('pause')).stdout
    expect(longer).toContain('What is captured meanwhile is never read.\nYou had paused already; this is longer: it would have ended at ')
    const held = (await box.sluice('pause', '30m', '--hold')).stdout
    expect(held).toContain('You had paused already; this is shorter: it had no end.\nWhat was captured since ')
    expect(held).toContain(' until now is still never read.\n')
    expect(readSettings(box.state)).toMatchObject({ pause: { captures: 'hold' }, dropped: [{}] })
    await box.sluice('pause', '--drop')
    expect((await box.sluice('resume')).stdout).toMatch(/^Resumed\.\nWhat was captured since \d\d:\d\d is never read\.\n$/)
    expect(readSettings(box.state).dropped).toHaveLength(2)
  })

  test('with damaged settings say so and touch nothing', async () => {
    using box = sandbox()
    await box.sluice('pause')
    const file = join(box.state, 'settings.json')
    writeFileSync(file, '{')
    const refused = await box.sluice('pause', '--json')
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: 'settings-damaged' } })
    expect(readFileSync(file, 'utf8')).toBe('{')
  })

  test('work without a valid config: in the folder that a wrong one still names, the one given, or the default one', async () => {
    using box = sandbox('bogus: 1\n')
    const wrong = await box.sluice('pause', '10m')
    expect(wrong).toMatchObject({ code: 0, stdout: expect.stringContaining('Paused until') as string })
    expect(wrong.stderr.replaceAll(/\s+/g, ' ')).toContain('bogus: found an unknown key')
    expect(unfolded(wrong.stderr)).toContain(`goes to the state folder ${box.state}, where no Sluice runs now.`)
    expect(readSettings(box.state).pause).toBeDefined()
    const given = join(box.folder, 'given')
    updateSettings(given, (settings) => settings)
    expect(await box.sluice('pause', '10m', '--state', given)).toMatchObject({
      code: 0, stderr: expect.stringContaining(`note: no Sluice runs on the state folder ${given} now.\n`) as string,
    })
    expect(readSettings(given).pause).toBeDefined()
    const missing = await runProcess(
      process.execPath, [join(root, 'cli/launch.mjs'), 'pause', '10m', '--config', join(box.folder, 'none.yaml')], { XDG_STATE_HOME: box.folder },
    )
    expect(missing.code).toBe(0)
    expect(unfolded(missing.stderr)).toContain(`goes to the state folder ${join(box.folder, 'sluice')}, where no Sluice runs now.`)
    expect(readSettings(join(box.folder, 'sluice')).pause).toBeDefined()
  })
})

describe('a state folder', () => {
  test('that was misspelt is refused, so that no pause is believed that nobody keeps', async () => {
    using box = sandbox()
    for (const [command, file] of [['pause', 'sluice.yaml'], ['resume', 'sluice.yaml'], ['pause', 'none.yaml']] as const) {
      const typo = join(box.folder, 'stat')
      const refused = await box.sluice(command, '--state', typo, '--config', join(box.folder, file))
      expect(refused).toMatchObject({ code: 2, stdout: '' })
      expect(unfolded(refused.stderr)).toContain(`${typo} is no state folder of Sluice, so nothing was changed.`)
      expect(existsSync(typo)).toBe(false)
    }
  })

  test.skipIf(!existsSync('/proc/self'))('where nothing can be made is an error at once (skipped without /proc)', async () => {
    using box = sandbox()
    const file = join(box.folder, 'sluice.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^state: .*$/m, 'state: /proc/x/y'))
    for (const command of [['run', '--once'], ['pause']]) {
      expect(await box.sluice(...command)).toMatchObject({ code: 1, stderr: expect.stringContaining('(ENOENT)') as string })
    }
    expect(await box.sluice('demo', '--folder', '/proc/x')).toMatchObject({ code: 2, stderr: expect.stringContaining('(ENOENT)') as string })
  })
})

describe('caps', () => {
  test('of the worker are set, listed, replaced and removed', async () => {
    using box = sandbox()
    expect((await box.sluice('cap', 'list')).stdout).toBe('There is no cap. Set one with: sluice cap set 5GB/month\n')
    expect((await box.sluice('cap', 'set', '5', 'GB/month', '--reset-day', '15')).stdout).toContain(
      'Set 5 GB per month from day 15.\n',
    )
    expect((await box.sluice('cap', 'set', '6GB/month', '--reset-day', '15')).stdout).toContain(
      'Set 6 GB per month from day 15. Before: 5 GB per month from day 15.\n',
    )
    await box.sluice('cap', 'set', '200MB/day')
    expect(json(await box.sluice('cap', 'list', '--json'))).toEqual({ version: 1, caps: [
      { id: 'month-15', limitBytes: 6e9, per: 'month', resetDay: 15, from: 'worker', inEffect: true },
      { id: 'day', limitBytes: 2e8, per: 'day', from: 'worker', inEffect: true },
    ] })
    expect((await box.sluice('cap', 'remove')).stderr).toBe('sluice: which cap? yours are: month-15, day\n')
    expect((await box.sluice('cap', 'remove', 'day')).stdout).toContain('Removed 200 MB per day.\n')
    expect((await box.sluice('cap', 'remove')).code).toBe(0)
    expect(readSettings(box.state).caps).toEqual([])
  })

  test('may count the last days, a network, a class or a stream only, and be paced', async () => {
    using box = sandbox()
    await box.sluice('cap', 'set', '6GB/30days', '--on', 'metered')
    const named = await box.sluice('cap', 'set', '2GB/month', '--network', 'home', '--pace')
    expect(named.stdout).toContain('No network is called home yet: it counts nothing until one is')
    expect(named.stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
    await box.sluice('cap', 'set', '1GB/week', '--stream', 'a')
    expect(readSettings(box.state).caps).toEqual([
      { id: 'rolling-30.on.metered', limitBytes: 6e9, per: 'rolling', days: 30, on: 'metered' },
      { id: 'month.network.home', limitBytes: 2e9, per: 'month', network: 'home', pace: true },
      { id: 'week.stream.a', limitBytes: 1e9, per: 'week', stream: 'a' },
    ])
  })

  test('show their use once something ran', async () => {
    using box = sandbox()
    hasRun(box)
    const { stdout } = await box.sluice('cap', 'set', '700MB/week', '--pace')
    expect(stdout).toMatch(/^week: 700 MB per week, spread over the days, set by you\n {2}0 B used \(0 %\), starts again Mon /m)
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('; today 0 B of a share of ')
  })

  test('of the policy are shown and stay, and a laxer one beside them has no effect and says so', async () => {
    using box = sandbox('caps: [{ limit: 1 GB, per: month }]\n')
    const lax = await box.sluice('cap', 'set', '2GB/month')
    expect(lax.stdout).toContain('Set 2 GB per month. It has no effect: a stricter cap applies.\n')
    expect(lax.stdout).toMatch(/^policy-month: 1 GB per month, set by the policy$/m)
    expect(lax.stdout).toMatch(/^month: 2 GB per month, set by you; a stricter one applies$/m)
    expect((await box.sluice('cap', 'set', '500MB/month')).stdout).toMatch(
      /^policy-month: 1 GB per month, set by the policy; a stricter one applies$/m,
    )
    expect(await box.sluice('cap', 'remove', 'policy-month')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('set by the policy and stays') as string,
    })
    expect(existsSync(join(box.state, 'settings.json'))).toBe(true)
  })
})
