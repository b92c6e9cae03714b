/** Where the program is that a service manager starts. Absolute paths. */
export interface ProgramPlace {
  readonly node: string
  /** `cli/launch.mjs` */
  readonly launcher: string
}

/** Where the Debian package puts it. */
export const packagedPlace: ProgramPlace = {
  node: '/usr/lib/sluice/node/bin/node',
  launcher: '/usr/lib/sluice/cli/launch.mjs',
}

/** The user that the service of the whole machine runs as, by platform. */
export const serviceUser = { linux: 'sluice', darwin: '_sluice' } as const

/** The config of the service of the whole machine. */
export const systemConfig = { linux: '/etc/sluice/config.yaml', darwin: '/etc/sluice/config.yaml', win32: 'C:\\ProgramData\\Sluice\\config.yaml' } as const

/** Its state folder. */
export const systemState = { linux: '/var/lib/sluice', darwin: '/var/db/sluice', win32: 'C:\\ProgramData\\Sluice\\state' } as const
