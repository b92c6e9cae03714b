import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

import { writtenPages } from '../cli/written-pages.ts'
import { errorCodes } from '../src/observe/error-codes.ts'
import { reasons, yieldsToSendNow } from '../src/scheduler/reasons.ts'
import type { ReasonCode } from '../src/scheduler/reasons.ts'
import { collectorOptions } from './collector-options.ts'
import { eventSections } from './events-page.ts'
import { jsonSchemaOf } from './json-schema.ts'
import { options } from './options.ts'
import { mergeRows, policyIntroduction } from './policy-page.ts'
import type { ListOption, MapOption, Option, ValueOption } from './schema.ts'

const note = '<!-- Written by `npm run docs`; do not edit. -->'

/** The generated pages by their path in the package. */
function pages(): Readonly<Record<string, string>> {
  return {
    ...writtenPages(),
    'config/schema.json': jsonText(jsonSchemaOf(options, 'The config file of Sluice', 'config')),
    'config/policy-schema.json': jsonText(jsonSchemaOf(options, 'A policy of Sluice', 'policy')),
    'docs/policy.md': policyPage(), 'docs/config.md': configPage(), 'docs/collector-config.md': collectorPage(), 'docs/errors.md': errorsPage(), 'docs/events.md': eventsPage(), 'docs/reasons.md': reasonsPage(),
  }
}

function jsonText(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

function policyPage(): string {
  return page(
    '# Policies',
    policyIntroduction,
    '## Keys of policies alone',
    table(['key', 'what it is', 'allowed', 'default'], rowsOf(options, '').filter(([key = '']) => isPolicyKey(key))),
    '## Several files',
    'The last file that says something of a key counts, also key by key inside of `power: { … }` and its like. Paths that are not absolute begin at the\n'
    + 'folder of the file that they are in. Lists are replaced as a whole, but for these:',
    table(['list', 'of several files'], mergeRows()),
  )
}

function isPolicyKey(key: string): boolean {
  const fields: Readonly<Record<string, Option>> = options.fields
  return fields[/^`(\w+)/.exec(key)?.[1] ?? '']?.policyOnly === true
}

function configPage(): string {
  return page(
    '# The config file',
    'YAML 1.2, at most 256 KiB. A wrong file is refused whole, and every problem is named with its line, its key, what\n'
    + 'was found and what is allowed. `sluice config check FILE` validates a file, `sluice config show` prints every value\n'
    + 'in effect and where it comes from. [config/example.yaml](../config/example.yaml) is a file to start from.',
    'No stream’s folder, the state folder or the destination may lie inside another of them, since what was sent would\n'
    + 'be captured again. `power.sendAboveBattery` is not below `power.lowBattery`, `rate.trickle` not above `rate.max`, and\n'
    + 'there is one cap for each period and what it counts.',
    'A running service takes up a changed file at once, or keeps to the last good one. [Policies](policy.md) are put over it. An editor that knows\n'
    + '[config/schema.json](../config/schema.json) completes keys and marks mistakes.',
    table(['key', 'what it is', 'allowed', 'default'], rowsOf(options, '').filter(([key = '']) => !isPolicyKey(key))),
  )
}

function collectorPage(): string {
  return page(
    '# The collector’s config file',
    'For `sluice collector --config FILE`, as [collector.md](collector.md) describes. YAML 1.2, at most 256 KiB. A wrong file is refused\n'
    + 'whole, and every problem is named with its line, its key, what was found and what is allowed. What is required below\n'
    + '`tls` and `metrics` is so where these are there at all.',
    table(['key', 'what it is', 'allowed', 'default'], rowsOf(collectorOptions, '')),
  )
}

function rowsOf(option: MapOption, prefix: string): string[][] {
  return Object.entries(option.fields).flatMap(([field, fieldOption]) => {
    const key = `${prefix}${field}`
    if (fieldOption.kind === 'value') return [valueRow(key, fieldOption)]
    if (fieldOption.kind === 'map') return rowsOf(fieldOption, `${key}.`)
    const { item } = fieldOption
    const row = [`\`${key}\``, fieldOption.doc, listRule(fieldOption), listDefault(fieldOption)]
    return item.kind === 'value' ? [row] : [row, ...rowsOf(item, `${key}[].`)]
  })
}

function valueRow(key: string, option: ValueOption): string[] {
  const fallback = typeof option.default === 'string' ? `\`${option.default}\`` : option.default?.words
  return [`\`${key}\``, option.doc, ruleOf(option), fallback ?? (option.optional ? 'absent' : '**required**')]
}

function listRule(option: ListOption): string {
  const rule = option.item.kind === 'value' ? `, each ${ruleOf(option.item)}` : ''
  return `a list of at most ${option.max}${rule}${option.single ? '; or a single one' : ''}`
}

function listDefault(option: ListOption): string {
  if (option.default === 'none') return 'none'
  return option.default ? `\`${option.default.item}\`` : option.optional ? 'absent' : '**required**'
}

function ruleOf(option: Option): string {
  return option.kind === 'value' ? option.type.allowed : option.doc
}

function errorsPage(): string {
  return page(
    '# Error codes',
    'Codes are stable: scripts may rely on them. With `--json` an error is printed on stderr as\n'
    + '`{"error":{"code":"…","message":"…"}}`; messages may change. `unexpected` stands for a defect of Sluice.',
    table(['code', 'meaning'], Object.entries(errorCodes).map(([code, meaning]) => [`\`${code}\``, meaning])),
  )
}

function eventsPage(): string {
  return page(
    '# Events',
    'One JSON object a line. `time`, `level`, `event`, `device` and `version` are in every line, in front of the fields of the\n'
    + 'event. Names, levels and fields are stable: scripts may rely on them; fields and events may be added. Levels: `debug`, `info`, `warn`,\n'
    + '`error`, `fatal`. What logs hold, what they leave out and where they are written is in [logs.md](logs.md).',
    ...eventSections(),
  )
}

/** Reasons that do not always stop what they name. */
const levels: Partial<Record<ReasonCode, string>> = {
  'power-saver': '`power.onPowerSaver`',
  'weak-charger': 'slows',
  'on-battery': 'slows',
  'power-unknown': '`power.onUnknown`',
  'metered': '`network.onMetered`',
  'network-unknown': '`network.onMetered`',
}

function reasonsPage(): string {
  return page(
    '# Why something is held, or slowed',
    'Reasons are listed gravest first. Codes are stable: scripts may rely on them. A reason stops sending, preparing, or\n'
    + 'both; a few only slow them (sending at `rate.trickle`, preparing with pauses), and some do as a key of the config says.\n'
    + '`sluice send-now` sets aside what a person may decide for once, such as the price of a metered network; never a pause,\n'
    + 'a cap, what is turned off, or what IT exempted.',
    table(
      ['code', 'what', 'how', 'set aside by `send-now`', 'meaning', 'what you can do'],
      Object.entries(reasons).map(([code, { holds, meaning, action }]) => [
        `\`${code}\``,
        holds === 'both' ? 'prepare, send' : holds,
        levels[code as ReasonCode] ?? 'stops',
        yieldsToSendNow(code as ReasonCode) ? 'yes' : 'no',
        meaning,
        action,
      ]),
    ),
  )
}

function page(title: string, ...paragraphs: readonly string[]): string {
  return `${[title, note, ...paragraphs].join('\n\n')}\n`
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heading, heading.map(() => '---'), ...rows].map(
    (row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`,
  )
  return lines.join('\n')
}

const stale: string[] = []
for (const [path, text] of Object.entries(pages())) {
  const file = new URL(`../${path}`, import.meta.url)
  if (!process.argv.includes('--check')) write(file, text)
  else if (readOrEmpty(file) !== text) stale.push(path)
}
if (stale.length > 0) {
  process.stderr.write(`${stale.join(', ')}: not what the tables say. Run: npm run docs\n`)
  process.exitCode = 1
}

function write(file: URL, text: string): void {
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, text)
}

function readOrEmpty(file: URL): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
