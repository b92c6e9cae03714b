import type { ProgramPlace } from './place.ts'
import { serviceUser, systemConfig } from './place.ts'

export const unitName = 'sluice.service'
/** The units of an administrator; those of a package are in `packagedUnit`. */
export const adminUnit = `/etc/systemd/system/${unitName}`
export const packagedUnit = `/usr/lib/systemd/system/${unitName}`
export const adminSysusers = '/etc/sysusers.d/sluice.conf'
export const packagedSysusers = '/usr/lib/sysusers.d/sluice.conf'
/** What depends on the config: folders that the service may write to besides its own. */
export const foldersDropIn = `${adminUnit}.d/50-folders.conf`

const { linux: user } = serviceUser

/** Creates the user, by systemd-sysusers. */
export const sysusers = `u ${user} - "Sluice upload service" /var/lib/${user}\n`

const description = 'Sluice: sends captures when battery, network and data caps allow'

/**
 * A turn of the main loop is proven twice in this time. Shorter, and proving it costs more; longer, and a service that hangs
 * is noticed later.
 */
const watchdog = '5min'

/** What both units say of starting, stopping and being watched. */
function life(command: string): string {
  return `Type=notify
NotifyAccess=all
ExecStart=${command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5s
TimeoutStartSec=5min
TimeoutStopSec=1min
WatchdogSec=${watchdog}
RuntimeDirectory=sluice
RuntimeDirectoryPreserve=restart
Environment=MALLOC_ARENA_MAX=1`
}

/** What a process of the person's own can be denied too: none of it needs a privilege. */
const modest = `UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=@chown
SystemCallErrorNumber=EPERM`

/**
 * The service of the whole machine. How long it waits to start again after failures is kept in its runtime folder
 * (`back-off.ts`), for systemd 252 can only wait the same time each time.
 */
export function systemUnit(place: ProgramPlace): string {
  return `[Unit]
Description=${description}
Documentation=man:sluice(1)
ConditionPathExists=${systemConfig.linux}
After=network.target dbus.service
# How often it may start is up to the service, which waits longer each time.
StartLimitIntervalSec=0

[Service]
${life(`${commandLine(place)} run --config ${systemConfig.linux}`)}
Environment=XDG_STATE_HOME=/var/lib
Environment=NODE_COMPILE_CACHE=/var/cache/sluice
User=${user}
# Others may reach the socket that control.group asks for, and see nothing else.
RuntimeDirectoryMode=0711
StateDirectory=sluice
StateDirectoryMode=0700
LogsDirectory=sluice
LogsDirectoryMode=0750
CacheDirectory=sluice
CacheDirectoryMode=0700
# A token to enrol with, or the credential itself, where one is in /etc/credstore; see docs/service.md.
LoadCredential=sluice.token
LoadCredential=sluice.credential
SyslogIdentifier=sluice

# Whatever else the machine does comes first.
Nice=10
CPUWeight=20
IOWeight=20

CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
PrivateTmp=yes
RemoveIPC=yes
KeyringMode=private
# Not MemoryDenyWriteExecute: V8 compiles while it runs.
${modest}

[Install]
WantedBy=multi-user.target
`
}

/** The service of one person, in their own session. `config`: a file they named. */
export function userUnit(place: ProgramPlace, config?: string): string {
  return `[Unit]
Description=${description}
Documentation=man:sluice(1)
StartLimitIntervalSec=0

[Service]
${life(`${commandLine(place)} run${config === undefined ? '' : ` --config ${argument(config)}`}`)}
SyslogIdentifier=sluice
Nice=10
${modest}

[Install]
WantedBy=default.target
`
}

function commandLine({ node, launcher }: ProgramPlace): string {
  return `${argument(node)} ${argument(launcher)}`
}

/** What the hardened unit must let through for a config: folders that captures are deleted in, or packs written to. */
export function foldersUnit(writable: readonly string[]): string {
  const lines = writable.map((folder) => `ReadWritePaths=${quoted(`-${folder}`)}\n`)
  return `# Written by \`sluice service install\` from ${systemConfig.linux}.\n[Service]\n${lines.join('')}`
}

/** A word of a unit file: specifiers are not expanded in it. */
function quoted(word: string): string {
  const plain = word.replaceAll('%', '%%')
  return /^[\w@+:,./%$-]+$/.test(plain) ? plain : `"${plain.replaceAll(/[\\"]/g, '\\$&')}"`
}

/** Only in command lines a dollar means a variable. */
function argument(word: string): string {
  return quoted(word).replaceAll('$', '$$$$')
}
