import { Command, CommanderError } from 'commander'

import type { ErrorCode } from '../src/observe/error-codes.ts'
import { SluiceError } from '../src/observe/error.ts'
import { register as registerCap } from './commands/cap.ts'
import { register as registerCollector } from './commands/collector.ts'
import { register as registerCompletion } from './commands/completion.ts'
import { register as registerConfig } from './commands/config.ts'
import { register as registerDemo } from './commands/demo.ts'
import { register as registerDoctor } from './commands/doctor.ts'
import { register as registerEnrol } from './commands/enrol.ts'
import { register as registerHistory } from './commands/history.ts'
import { register as registerNetwork } from './commands/network.ts'
import { register as registerPause } from './commands/pause.ts'
import { register as registerPreview } from './commands/preview.ts'
import { register as registerPull } from './commands/pull.ts'
import { register as registerReport } from './commands/report.ts'
import { register as registerResume } from './commands/resume.ts'
import { register as registerRun } from './commands/run.ts'
import { register as registerSendNow } from './commands/send-now.ts'
import { register as registerService } from './commands/service.ts'
import { register as registerSimulate } from './commands/simulate.ts'
import { register as registerStatus } from './commands/status.ts'
import { register as registerStream } from './commands/stream.ts'
import { register as registerVerify } from './commands/verify.ts'
import { register as registerWhy } from './commands/why.ts'
import { exitCodeOf } from './exit-code.ts'
import { describe } from './options.ts'
import type { Io } from './output.ts'
import { processIo, signalExitCode } from './process-io.ts'
import { programVersion } from '../daemon/version.ts'

/** Every command, in the order `sluice --help` lists them. Each file loads what it needs only when it is run. */
const commands: readonly ((program: Command, io: Io) => void)[] = [
  registerDemo, registerRun, registerStatus, registerWhy, registerHistory, registerPreview, registerDoctor, registerPause, registerResume, registerSendNow, registerCap,
  registerNetwork, registerStream, registerSimulate, registerReport, registerPull, registerVerify, registerEnrol, registerCollector,
  registerConfig, registerCompletion, registerService,
]

/** Runs one command line (without the program's name) and sets the exit code. */
export async function main(parameters: readonly string[]): Promise<void> {
  process.stdout.on('error', quietOnBrokenPipe)
  process.stderr.on('error', quietOnBrokenPipe)
  if (parameters.includes('--no-color')) process.env['NO_COLOR'] = '1'
  const io = processIo()
  const program = programFor(io)
  try {
    await program.parseAsync(parameters, { from: 'user' })
  } catch (error) {
    process.exitCode = report(error, parameters, nameOf(program, parameters), io)
  }
}

/** The program with every command. */
export function programFor(io: Io): Command {
  const program = new Command('sluice')
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // `report` prints them
    .configureHelp({ helpWidth: 80 })
    .version(programVersion(), '--version', 'print the version')
    .option('--no-color', 'print without colours')
    .enablePositionalOptions()
  describe(program, 'Uploads what capture tools write only when battery, network cost and data caps allow.', [
    ['sluice demo', 'see it work, half a minute'],
    ['sluice config check sluice.yaml', 'is this config valid?'],
    ['sluice pause 30m', 'nothing is read or sent for half an hour'],
    ['sluice cap set 5GB/month', 'never more than this in a month'],
  ])
  for (const register of commands) register(program, io)
  return program
}

/** `sluice cap set`: the command that a command line is for, as far as it names one. */
function nameOf(program: Command, parameters: readonly string[]): string {
  const [word, ...rest] = parameters
  const command = program.commands.find((each) => each.name() === word)
  return command ? `${program.name()} ${nameOf(command, rest)}` : program.name()
}

/** Prints an error for the person, or for a program with `--json`; returns the exit code. */
function report(error: unknown, parameters: readonly string[], command: string, io: Io): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0 // --help, --version
  const { code, message } = inWords(error, command)
  const helpWasShown = error instanceof CommanderError && error.code === 'commander.help'
  if (parameters.includes('--json')) io.log(JSON.stringify({ error: { code, message } }))
  else if (!helpWasShown) io.note(`sluice: ${message}`)
  if (process.env['SLUICE_DEBUG']) io.log(error instanceof Error ? error.stack ?? String(error) : String(error))
  return code === 'aborted' ? signalExitCode(io.signal.reason) : exitCodeOf(code)
}

function inWords(error: unknown, command: string): { code: ErrorCode | 'unexpected', message: string } {
  if (error instanceof SluiceError) return error
  if (error instanceof CommanderError) {
    const said = error.message.replace(/^error: /, '').replace('\n', ' ').replace(/\.$/, '')
    const message = error.code === 'commander.help' ? 'a command is missing' : said
    return { code: 'usage', message: `${message}. See: ${command} --help` }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'unexpected', message: `${message} (this should not happen; SLUICE_DEBUG=1 shows where it did)` }
}

/** As a shell tells of a program that SIGPIPE ended: whoever watches a service must see that it is gone. */
const brokenPipeCode = 141

/** Whoever read the output has seen enough, as in `sluice … | head`. */
function quietOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(brokenPipeCode)
  throw error
}
