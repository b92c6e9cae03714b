import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Config } from '../../config/options.ts'
import type { Cap } from '../../src/budget/cap.ts'
import type { SampleName } from '../../src/scheduler/simulate/sample.ts'
import type { NamedResult } from '../../src/scheduler/simulate/report.ts'
import type { SimulatedSettings } from '../../src/scheduler/simulate/simulated-judge.ts'
import type { TraceEvent, TraceHeader } from '../../src/scheduler/simulate/trace.ts'
import type { ConfigOptions } from '../options.ts'
import type { Io } from '../output.ts'
import { formatBytes } from '../../config/units.ts'
import { wrap } from '../../src/scheduler/words.ts'
import { SluiceError, systemCode } from '../../src/observe/error.ts'
import type { PlainCap } from '../cap-text.ts'
import { parseCap } from '../cap-text.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import { counted, table } from '../output.ts'

interface SimulateOptions extends ConfigOptions {
  readonly trace?: string
  readonly sample?: string
  readonly seed?: string
  readonly cap?: readonly string[]
  readonly html?: string
}

/** A trace that is being read. */
interface Source {
  /** Known once the first event was read. */
  readonly header: () => TraceHeader
  readonly events: AsyncIterable<TraceEvent> | Iterable<TraceEvent>
}

/** Rules to play a trace by, and what they are called. */
interface Variant {
  readonly name: string
  readonly config: Config
  readonly settings: SimulatedSettings
}

/** Events between two looks at the clock and at Ctrl-C: some milliseconds' worth. */
const eventsPerLook = 500

export function register(program: Command, io: Io): void {
  const command = program.command('simulate')
    .option('--trace <file>', 'what happened, one JSON object a line (docs/simulate.md)')
    .option('--sample <name>', 'a month made up: office, train, limited-line, no-charger')
    .option('--seed <number>', 'another month of the same kind (default: 1)')
    .option('--cap <limit>', 'compare with this cap, such as 3GB/month; repeatable', oneMore)
    .option('--html <file>', 'write a page with a picture')
  describe(addJson(addConfig(command)), 'What would be sent, when, and why not: a month in seconds.', [
    ['sluice simulate --sample train', 'a month of somebody who commutes'],
    ['sluice simulate --sample office --cap 500MB/month', 'what would 500 MB a month have meant?'],
    ['sluice simulate --trace month.jsonl --html month.html', 'your own month, as a picture'],
  ]).action((options: SimulateOptions) => simulate(options, io))
}

function oneMore(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

async function simulate(options: SimulateOptions, io: Io): Promise<void> {
  const caps = (options.cap ?? []).map((text) => parseCap(text))
  const sample = await sampleName(options)
  const { config, settings, assumed } = await rulesFor(options, sample)
  const source = sample === undefined
    ? await traceFile(options.trace ?? '')
    : await sampleMonth(sample, options.seed ?? '1', config.timeZone)
  const variants: Variant[] = [{ name: 'as it is', config, settings }]
  if (caps.length > 0) {
    variants.push({ name: `with ${caps.map(capName).join(', ')}`, ...withCaps(config, settings, caps) })
  }
  const results = await play(source, variants, io)
  const { comparison, dayTable, summary, verdict } = await import('../../src/scheduler/simulate/report.ts')
  const [first, second] = results
  const shown = second ?? first
  if (!first || !shown) return
  if (options.html !== undefined) {
    const { page } = await import('../../src/scheduler/simulate/page.ts')
    await save(options.html, page(results, config.timeZone))
  }
  const value = { version: 1, timeZone: config.timeZone, results: results.map(({ name, result }) => ({ name, ...result })) }
  io.result(options.json, value, [
    ...(assumed.length > 0 ? [...assumed, ''] : []),
    ...(second ? [`Day by day ${second.name}:`] : []),
    ...table(dayTable(shown.result)), '',
    ...summary(shown.result),
    ...(second ? ['', ...table(comparison(results)), '', ...wrap(verdict(first.result, second), 80, '')] : []),
    ...(options.html === undefined ? [] : ['', `Picture: ${options.html}`]),
  ])
}

/** Plays one trace for several rules at once, so that it is read once and never kept. */
async function play(source: Source, variants: readonly Variant[], io: Io): Promise<NamedResult[]> {
  const { Simulation } = await import('../../src/scheduler/simulate/simulation.ts')
  const progress = io.progress()
  const startedAt = io.now()
  let simulations: { name: string; simulation: InstanceType<typeof Simulation> }[] | undefined
  let count = 0
  try {
    for await (const event of source.events) {
      simulations ??= variants.map(({ name, ...rules }) =>
        ({ name, simulation: new Simulation({ ...rules, header: source.header() }) }))
      for (const { simulation } of simulations) simulation.add(event)
      if (++count % eventsPerLook !== 0) continue
      if (io.signal.aborted) throw new SluiceError('aborted', 'the simulation was stopped')
      const day = new Date(event.at).toISOString().slice(0, 10)
      if (io.now() - startedAt > 1000) progress.show(`Playing: ${counted(count, 'event')}, ${day}`)
      await new Promise((resolve) => { setImmediate(resolve) })
    }
  } finally {
    progress.end()
  }
  return (simulations ?? []).map(({ name, simulation }) => ({ name, result: simulation.finish() }))
}

async function sampleName({ trace, sample }: SimulateOptions): Promise<SampleName | undefined> {
  const { samples } = await import('../../src/scheduler/simulate/sample.ts')
  const names = Object.keys(samples) as SampleName[]
  if (trace !== undefined && sample !== undefined) throw new SluiceError('usage', 'choose one of --trace and --sample')
  if (trace === undefined && sample === undefined) {
    const made = names.map((name) => `${name} (${samples[name].meaning})`).join('; ')
    throw new SluiceError('usage', `name a trace with --trace FILE, or a month made up with --sample: ${made}`)
  }
  const found = names.find((name) => name === sample)
  if (sample !== undefined && !found) {
    throw new SluiceError('usage', `there is no sample "${sample}"; allowed: ${names.join(', ')}`)
  }
  return found
}

async function sampleMonth(name: SampleName, seed: string, timeZone: string): Promise<Source> {
  const [{ sampleHeader, sampleTrace }, { createRandom }] = await Promise.all([
    import('../../src/scheduler/simulate/sample.ts'), import('../demo/random.ts'),
  ])
  if (!/^\d{1,9}$/.test(seed)) {
    throw new SluiceError('usage', `"${seed}" is no seed: allowed are whole numbers from 0 to 999999999`)
  }
  return { header: () => sampleHeader, events: sampleTrace(name, timeZone, createRandom(Number(seed))) }
}

async function traceFile(file: string): Promise<Source> {
  const { readTrace, TraceParser } = await import('../../src/scheduler/simulate/trace.ts')
  const parser = new TraceParser(file)
  return { header: () => parser.header ?? { ratio: {}, line: {} }, events: readTrace(piecesOf(file), parser) }
}

async function* piecesOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of createReadStream(file)) yield piece as Uint8Array
  } catch (error) {
    if (error instanceof SluiceError || systemCode(error) === undefined) throw error
    throw new SluiceError('usage', `cannot read ${file} (${systemCode(error)})`, { cause: error })
  }
}

async function save(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text)
  } catch (error) {
    throw new SluiceError('usage', `cannot write ${file} (${systemCode(error) ?? 'unknown'})`, { cause: error })
  }
}

/** The person's config and settings; without a config, ordinary rules, so that a sample can be played at once. */
async function rulesFor(options: ConfigOptions, sample: SampleName | undefined) {
  const none: SimulatedSettings = { caps: [], networks: [], streamsOff: [] }
  try {
    const { config } = await configFor(options)
    const { readSettings } = await import('../../src/journal/settings.ts')
    return { config, settings: readSettings(config.stateFolder) as SimulatedSettings, assumed: [] as string[] }
  } catch (error) {
    const isMissing = error instanceof SluiceError && error.code === 'config-missing'
    if (!isMissing || options.config !== undefined || process.env['SLUICE_CONFIG']) throw error
  }
  const [{ parseConfig }, { samples }] = await Promise.all([
    import('../../config/parse.ts'), import('../../src/scheduler/simulate/sample.ts'),
  ])
  const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone
  const environment = { home: '/', hostname: 'sample', timeZone, cwd: '/' }
  const streams = ['pointer', 'screens', 'mail']
    .map((name) => `{ name: ${name}, path: /captures/${name}, purpose: simulation, files: whole }`)
  const rules = sample === undefined ? '' : samples[sample].rules
  const text = `streams: [${streams.join(', ')}]\ndestination: file:///destination\nstate: /state\n${rules}`
  const { config } = parseConfig(text, '/simulation.yaml', environment)
  const assumed = ['There is no config: played with the default rules.', ...rules.split('\n').slice(0, -1).map((rule) => `  ${rule}`)]
  return { config, settings: none, assumed }
}

function capName({ limitBytes, per, days }: PlainCap): string {
  return `${formatBytes(limitBytes)}/${days === undefined ? per : `${days}d`}`
}

/** Each cap takes the place of those of the whole device for the same period, and resets on their day. */
function withCaps(config: Config, settings: SimulatedSettings, caps: readonly PlainCap[]) {
  const stays = (old: Cap): boolean => old.network !== undefined || old.on !== undefined || old.stream !== undefined
    || !caps.some(({ per, days }) => old.per === per && old.days === days)
  const { resetDay } = [...config.caps, ...settings.caps].find((cap) => cap.resetDay !== undefined) ?? {}
  const added = caps.map((cap): Cap =>
    ({ id: capName(cap), ...cap, ...(cap.per === 'month' && resetDay !== undefined && { resetDay }) }))
  return {
    config: { ...config, caps: [...config.caps.filter(stays), ...added] },
    settings: { ...settings, caps: settings.caps.filter(stays) },
  }
}
