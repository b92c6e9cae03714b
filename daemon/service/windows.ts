import type { ProgramPlace } from './place.ts'
import { xmlText } from './launchd.ts'
import { systemConfig } from './place.ts'

/** Name of the scheduled tasks: the machine's, and one a person. */
export const taskName = '\\Sluice\\Service'
export const personTaskName = (person: string): string => `\\Sluice\\Service of ${person}`

/** LocalService, which may do little and has no password. */
export const localService = 'S-1-5-19'

export interface TaskOptions {
  readonly place: ProgramPlace
  /** `DOMAIN\name` of the person whose service it is; without one it is the whole machine's. */
  readonly person?: string
  readonly config?: string
}

/**
 * A scheduled task that runs for ever: Node.js has no way to answer Windows' service manager, and the scheduler starts a
 * program at boot or logon, as another user, and again when it fails, without anything more installed.
 */
export function taskXml({ place, person, config = person === undefined ? systemConfig.win32 : undefined }: TaskOptions): string {
  const words = [place.node, place.launcher, 'run', ...(config === undefined ? [] : ['--config', config])]
  // A console program of a person's own would show a window.
  const command = person === undefined ? words : ['%SystemRoot%\\System32\\conhost.exe', '--headless', ...words]
  return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Sluice: sends captures when battery, network and data caps allow</Description>
  </RegistrationInfo>
  <Triggers>
${person === undefined ? '    <BootTrigger />' : `    <LogonTrigger>\n      <UserId>${xmlText(person)}</UserId>\n    </LogonTrigger>`}
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>${person === undefined ? localService : xmlText(person)}</UserId>
${person === undefined ? '' : '      <LogonType>InteractiveToken</LogonType>\n'}      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>8</Priority>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>999</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>${xmlText(command[0] ?? '')}</Command>
      <Arguments>${xmlText(command.slice(1).map(argument).join(' '))}</Arguments>
    </Exec>
  </Actions>
</Task>
`
}

/** A word of a command line as C programs take it apart. Paths hold no quotes on Windows. */
function argument(word: string): string {
  return /[\s]/.test(word) ? `"${word}"` : word
}
