import type { Command } from 'commander'
import type { Config } from '../../config/options.ts'
import type { ConfigOptions } from '../options.ts'
import type { Io } from '../output.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { timeInWords, wrap } from '../../src/scheduler/words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'

interface EnrolOptions extends ConfigOptions {
  readonly tokenFile?: string
  readonly show?: true
}

export function register(program: Command, io: Io): void {
  const command = program.command('enrol')
    .option('--token-file <file>', 'read the token from a file (default: stdin, or you are asked)')
    .option('--show', 'say who this device is known as, and change nothing')
  describe(addJson(addConfig(command)), 'Make this device known to its collector, with a token from your IT.', [
    ['sluice enrol', 'asks for the token; what you type is not shown'],
    ['sluice enrol --token-file token.txt', 'for a script; a token never goes on the command line'],
    ['sluice enrol --show', 'device, collector and since when; never the credential'],
  ]).action((options: EnrolOptions) => (options.show ? show(options, io) : enrol(options, io)))
}

async function enrol(options: EnrolOptions, io: Io): Promise<void> {
  const [{ config }, { checkToken, readToken }, { collectorOf, enrolByHand }] = await Promise.all([
    configFor(options), import('../../src/control/credential.ts'), import('../../daemon/enrolment.ts'),
  ])
  const { href } = collectorOf(config)
  if (config.enrolment.credentialFile !== undefined) {
    throw new SluiceError('usage', `The credential comes from ${config.enrolment.credentialFile}, as enrolment.credentialFile says: there is nothing to enrol.`)
  }
  const token = options.tokenFile === undefined || options.tokenFile === '-'
    ? checkToken(await asked(config, href, io), 'the input')
    : readToken(options.tokenFile)
  const { device, origin, since } = await enrolByHand(config, token, io.signal)
  io.result(options.json, { version: 1, enrolled: true, device, collector: origin, since }, wrap(
    `${device} is enrolled at ${origin}. A service that runs goes on with it by itself.`, 80, '',
  ))
}

async function asked({ device }: Config, collector: string, io: Io): Promise<string> {
  const token = await io.askSecret(`Token for ${device} at ${collector}`)
  if (token === undefined || token.trim() === '') throw new SluiceError('usage', 'there is no token: type it, or give it on stdin or with --token-file')
  return token
}

async function show(options: EnrolOptions, io: Io): Promise<void> {
  const [{ config }, { readCredential }, { collectorOf }] = await Promise.all([
    configFor(options), import('../../src/control/credential.ts'), import('../../daemon/enrolment.ts'),
  ])
  const { origin } = collectorOf(config)
  const { credentialFile } = config.enrolment
  if (credentialFile !== undefined) {
    io.result(options.json, { version: 1, credentialFile, collector: origin }, wrap(`${config.device} shows ${origin} what is in ${credentialFile}.`, 80, ''))
    return
  }
  const kept = readCredential(config.stateFolder)
  const counts = kept?.origin === origin && kept.device === config.device
  const { device, since } = kept ?? {}
  io.result(options.json, { version: 1, enrolled: counts, ...(kept && { device, collector: kept.origin, since }) }, [
    ...(kept ? wrap(`${kept.device} is enrolled at ${kept.origin} since ${timeInWords(kept.since, { now: io.now(), timeZone: config.timeZone })}.`, 80, '') : []),
    ...(counts ? [] : wrap(`${config.device} is not enrolled at ${origin}. Ask your IT for a token, then run: sluice enrol`, 80, '')),
  ])
}
