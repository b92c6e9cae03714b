/** What docs/failures.md says of a destination that lost packs, or has others, done step by step. */
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { noise } from '../pack/make-log.ts'
import { startTusServer, storedPacks } from '../transfer/tus-server.ts'
import { destinationOf, makePlace, readStored, runOnce, sluice, type Place } from './harness.ts'

const captured = ['a', 'b', 'c'] as const

async function sendEach(place: Place): Promise<void> {
  for (const name of captured) {
    writeFileSync(join(place.log, `${name}.log`), noise(name, 30_000))
    expect((await runOnce(place)).code).toBe(0)
  }
}

/** The third step: everything that belongs to the old log goes elsewhere; settings and credential stay. */
function beginAnew({ state, folder }: Place): void {
  const aside = join(folder, 'old-log')
  mkdirSync(aside)
  for (const name of readdirSync(state)) {
    if (/^(journal\.sqlite|spool|lineages)/.test(name)) renameSync(join(state, name), join(aside, name))
  }
}

async function heldBy(place: Place, code: string): Promise<void> {
  const { code: exit, stderr } = await runOnce(place)
  expect(exit).toBe(75)
  expect(stderr).toContain(code)
}

async function allThere(place: Place): Promise<void> {
  const { captured: found, problems } = await readStored(destinationOf(place))
  expect(problems).toEqual([])
  const contents = new Set(found.map(({ bytes }) => Buffer.from(bytes).toString('hex')))
  for (const name of [...captured, 'd']) expect(contents, name).toContain(Buffer.from(noise(name, 30_000)).toString('hex'))
}

describe('a folder', { timeout: 120_000 }, () => {
  test.each([
    ['they are back', true], ['the device begins anew behind what is left', false],
  ])('that lost its last packs holds sending until %s', async (_, isBack) => {
    const place = await makePlace()
    await sendEach(place)
    const packs = join(fileURLToPath(place.config.destination), 'laptop-1')
    const last = readdirSync(packs).sort().at(-1) ?? ''
    renameSync(join(packs, last), join(place.folder, last))
    writeFileSync(join(place.log, 'd.log'), noise('d', 30_000))
    await heldBy(place, 'destination-behind')
    if (isBack) renameSync(join(place.folder, last), join(packs, last))
    else beginAnew(place)
    expect((await runOnce(place)).code).toBe(0)
    await allThere(place)
  })

  test('that has packs of a newer state holds sending until the device begins anew behind them', async () => {
    const place = await makePlace()
    writeFileSync(join(place.log, 'a.log'), noise('a', 30_000))
    expect((await runOnce(place)).code).toBe(0)
    cpSync(place.state, join(place.folder, 'backup'), { recursive: true })
    await sendEach(place)
    rmSync(place.state, { recursive: true })
    cpSync(join(place.folder, 'backup'), place.state, { recursive: true })
    writeFileSync(join(place.log, 'd.log'), noise('d', 30_000))
    await heldBy(place, 'destination-ahead')
    beginAnew(place)
    expect((await runOnce(place)).code).toBe(0)
    await allThere(place)
  })
})

test('a tus server that lost its last pack: the device begins anew behind what is left', { timeout: 120_000 }, async () => {
  const place = await makePlace()
  const store = join(place.folder, 'store')
  const server = await startTusServer({ folder: store })
  onTestFinished(() => server[Symbol.asyncDispose]())
  writeFileSync(place.configFile, readFileSync(place.configFile, 'utf8').replace(/^destination: .*$/m, `destination: ${server.url}`))
  await sendEach(place)
  const last = (await storedPacks(store)).sort((one, other) => one.name.seq - other.name.seq).at(-1)
  rmSync(last?.path ?? '')
  rmSync(`${last?.path}.json`)
  writeFileSync(join(place.log, 'd.log'), noise('d', 30_000))
  await heldBy(place, 'destination-behind')
  beginAnew(place)
  expect((await runOnce(place)).code).toBe(0)
  const seqs = (await storedPacks(store)).map(({ name }) => name.seq).sort((one, other) => one - other)
  expect(seqs.slice(0, 3)).toEqual([1, 2, 3])
  const why = await sluice('why', '--config', place.configFile)
  expect(why.stdout).not.toContain('destination-behind')
})
