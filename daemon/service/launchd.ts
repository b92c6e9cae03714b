import type { ProgramPlace } from './place.ts'
import { serviceUser, systemConfig, systemState } from './place.ts'

/** Name of the daemon and of the agent. */
export const launchdLabel = 'org.sluice.service'
export const daemonPlistPath = `/Library/LaunchDaemons/${launchdLabel}.plist`
/** Where launchd puts what it writes to stderr itself, and what is logged. */
const daemonLog = '/var/log/sluice.log'

/** Below the person's home folder. */
export const agentPlistName = `Library/LaunchAgents/${launchdLabel}.plist`

/** Shortest time between two starts, in seconds, for a service that ends at once. */
const throttleSeconds = 60

type Value = string | number | boolean | readonly string[] | { readonly [key: string]: Value }

/** The service of the whole Mac, as a user of its own. */
export function daemonPlist(place: ProgramPlace): string {
  return plist({
    ...life(place, systemConfig.darwin),
    UserName: serviceUser.darwin,
    EnvironmentVariables: { HOME: systemState.darwin },
    StandardErrorPath: daemonLog,
  })
}

/** The service of one person, in their session. `config`: a file they named. */
export function agentPlist(place: ProgramPlace, home: string, config?: string): string {
  return plist({ ...life(place, config), StandardErrorPath: `${home}/Library/Logs/sluice.log` })
}

function life({ node, launcher }: ProgramPlace, config: string | undefined): Record<string, Value> {
  return {
    Label: launchdLabel,
    ProgramArguments: [node, launcher, 'run', ...(config === undefined ? [] : ['--config', config])],
    RunAtLoad: true,
    KeepAlive: { SuccessfulExit: false },
    ThrottleInterval: throttleSeconds,
    ExitTimeOut: throttleSeconds,
    ProcessType: 'Background',
    LowPriorityIO: true,
    Nice: 10,
    Umask: 0o077,
  }
}

function plist(value: Value): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
${element(value, '')}
</plist>
`
}

function element(value: Value, indent: string): string {
  const inner = `${indent}  `
  if (typeof value === 'string') return `${indent}<string>${xmlText(value)}</string>`
  if (typeof value === 'number') return `${indent}<integer>${value}</integer>`
  if (typeof value === 'boolean') return `${indent}<${value}/>`
  if (isList(value)) return [`${indent}<array>`, ...value.map((item) => element(item, inner)), `${indent}</array>`].join('\n')
  const entries = Object.entries(value).flatMap(([key, each]) => [`${inner}<key>${xmlText(key)}</key>`, element(each, inner)])
  return [`${indent}<dict>`, ...entries, `${indent}</dict>`].join('\n')
}

function isList(value: Value): value is readonly string[] {
  return Array.isArray(value)
}

/** Text between tags or in quotes. Control characters, which XML has no way to hold, are left out. */
export function xmlText(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '').replaceAll(/[&<>"]/g, (sign) => names[sign] ?? '')
}
