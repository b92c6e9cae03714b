import { spawnSync } from 'node:child_process'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { describe, expect, test } from 'vitest'
import { agentPlist, daemonPlist } from '../../daemon/service/launchd.ts'
import { taskXml } from '../../daemon/service/windows.ts'

const place = { node: '/opt/sluice & <co>/node', launcher: '/opt/sluice & <co>/cli/launch.mjs' }
const hasPython = spawnSync('python3', ['-c', 'import plistlib']).status === 0

/** What Apple's format means, by the one reader here that refuses what is not it. */
function read(plist: string): unknown {
  const { stdout, stderr } = spawnSync('python3', ['-c', 'import json,plistlib,sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))'], { input: plist, encoding: 'utf8' })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

describe.skipIf(!hasPython)('launchd (skipped without Python)', () => {
  const life = {
    Label: 'org.sluice.service', RunAtLoad: true, KeepAlive: { SuccessfulExit: false }, ThrottleInterval: 60, ExitTimeOut: 60,
    ProcessType: 'Background', LowPriorityIO: true, Nice: 10, Umask: 0o077,
  }

  test('the daemon runs as a user of its own with the config of the machine', () => {
    expect(read(daemonPlist(place))).toEqual({
      ...life, ProgramArguments: [place.node, place.launcher, 'run', '--config', '/etc/sluice/config.yaml'],
      UserName: '_sluice', EnvironmentVariables: { HOME: '/var/db/sluice' }, StandardErrorPath: '/var/log/sluice.log',
    })
  })

  test('the agent runs as the person with the config that they named, or the usual one', () => {
    const log = { StandardErrorPath: '/Users/a&b/Library/Logs/sluice.log' }
    expect(read(agentPlist(place, '/Users/a&b', '/Users/a&b/<c>.yaml'))).toEqual({ ...life, ...log, ProgramArguments: [place.node, place.launcher, 'run', '--config', '/Users/a&b/<c>.yaml'] })
    expect(read(agentPlist(place, '/Users/a&b'))).toEqual({ ...life, ...log, ProgramArguments: [place.node, place.launcher, 'run'] })
  })
})

describe('a scheduled task of Windows', () => {
  const windowsPlace = { node: 'C:\\Program Files\\Sluice & Co\\node.exe', launcher: 'C:\\Program Files\\Sluice & Co\\cli\\launch.mjs' }
  const parser = new XMLParser({ ignoreAttributes: false, parseTagValue: false })

  function parsed(xml: string): Record<string, Record<string, unknown>> {
    expect(XMLValidator.validate(xml)).toBe(true)
    return (parser.parse(xml) as { Task: Record<string, Record<string, unknown>> }).Task
  }

  test('of the machine starts with it, as LocalService, and again when it fails', () => {
    const task = parsed(taskXml({ place: windowsPlace }))
    expect(task['Triggers']).toEqual({ BootTrigger: '' })
    expect(task['Principals']).toEqual({ Principal: { '@_id': 'Author', UserId: 'S-1-5-19', RunLevel: 'LeastPrivilege' } })
    expect(task['Settings']).toMatchObject({ ExecutionTimeLimit: 'PT0S', DisallowStartIfOnBatteries: 'false', StopIfGoingOnBatteries: 'false', RestartOnFailure: { Interval: 'PT1M', Count: '999' } })
    expect(task['Actions']).toEqual({ '@_Context': 'Author', Exec: {
      Command: windowsPlace.node,
      Arguments: `"${windowsPlace.launcher}" run --config C:\\ProgramData\\Sluice\\config.yaml`,
    } })
  })

  test('of a person starts when they log on, as they, without a window', () => {
    const task = parsed(taskXml({ place: windowsPlace, person: 'FIRM\\J & J' }))
    expect(task['Triggers']).toEqual({ LogonTrigger: { UserId: 'FIRM\\J & J' } })
    expect(task['Principals']).toEqual({ Principal: { '@_id': 'Author', UserId: 'FIRM\\J & J', LogonType: 'InteractiveToken', RunLevel: 'LeastPrivilege' } })
    expect(task['Actions']).toEqual({ '@_Context': 'Author', Exec: {
      Command: '%SystemRoot%\\System32\\conhost.exe', Arguments: `--headless "${windowsPlace.node}" "${windowsPlace.launcher}" run`,
    } })
  })
})
