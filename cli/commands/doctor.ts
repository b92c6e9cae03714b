import type { Command } from 'commander'
import type { Finding } from '../../src/control/doctor/findings.ts'
import type { ConfigOptions } from '../options.ts'
import type { Io } from '../output.ts'
import { wrap } from '../../src/scheduler/words.ts'
import { addConfig, addJson, describe } from '../options.ts'
import { lookOf, type Look } from '../paint.ts'

interface DoctorOptions extends ConfigOptions {
  readonly online?: true
}

export function register(program: Command, io: Io): void {
  const command = program.command('doctor').option('--online', 'ask the destination too, which costs a few kB').option('--no-color', 'print without colours')
  describe(addJson(addConfig(command)), 'Check this installation: what works, what is missing, how to mend it.', [
    ['sluice doctor', 'exits with 1 when something has to be mended'],
    ['sluice doctor --online', 'also whether the destination answers'],
  ]).action((options: DoctorOptions) => doctor(options, io))
}

async function doctor(options: DoctorOptions, io: Io): Promise<void> {
  const [{ gatherFacts }, { findings }] = await Promise.all([import('../doctor-facts.ts'), import('../../src/control/doctor/findings.ts')])
  const facts = await gatherFacts(options, io.now())
  const found = findings(facts)
  io.result(options.json, { version: 1, checks: found, ok: found.every(({ level }) => level !== 'fail'), platform: facts.platform }, doctorLines(found, lookOf(process.stdout, process.env)))
  if (found.some(({ level }) => level === 'fail')) io.exit(1)
}

const labels = { ok: ['green', 'ok'], warn: ['yellow', 'warn'], fail: ['red', 'FAIL'] } as const
const labelColumns = 6

/** What is well in a line each, what is not with what to do about it, and the sum. Pure. */
function doctorLines(found: readonly Finding[], look: Look): string[] {
  const { columns, paint } = look
  const indent = ' '.repeat(labelColumns)
  const lines = found.flatMap(({ level, says, todo }) => {
    const [style, label] = labels[level]
    const [first = '', ...rest] = wrap(says, columns, indent, label.padEnd(labelColumns))
    return [paint(style, first.slice(0, labelColumns)) + first.slice(labelColumns), ...rest, ...(todo === undefined ? [] : wrap(todo, columns, `${indent}   `, `${indent}-> `))]
  })
  const count = (level: Finding['level']): number => found.filter((finding) => finding.level === level).length
  const [fails, warns] = [count('fail'), count('warn')]
  const sum = fails > 0 ? `${fails} to mend, ${warns} to look at.` : warns > 0 ? `Nothing to mend, ${warns} to look at.` : 'All is well.'
  return [...lines, '', paint('bold', paint(fails > 0 ? 'red' : warns > 0 ? 'yellow' : 'green', sum))]
}
