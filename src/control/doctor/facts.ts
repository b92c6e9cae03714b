import type { PowerState, NetworkState, Reading } from '../../scheduler/conditions.ts'

/** Who owns a file or folder, and who may do what with it; missing where the system has no such thing. */
export interface Ownership {
  readonly ownerId: number
  /** Permission bits. */
  readonly mode: number
}

/** What `doctor` found out about this machine and installation. Sizes are bytes, times milliseconds since the epoch. */
export interface Facts {
  readonly now: number
  readonly version: string
  readonly nodeMajor: number
  readonly neededNodeMajor: number
  readonly system: string
  readonly platform: string
  /** Of this process; missing where the system has no such numbers. */
  readonly userId?: number
  readonly config: ConfigFacts
  readonly state?: StateFacts
  readonly streams: readonly StreamFacts[]
  /** How many folders the system lets be watched, where it has such a limit, and how many there are. */
  readonly watches?: { readonly most: number; readonly folders: number; readonly isWholeCount: boolean }
  readonly power?: Reading<PowerState>
  readonly network?: Reading<NetworkState>
  readonly service: ServiceFacts
  readonly credential?: CredentialFacts
  readonly certificate?: { readonly path: string; readonly until?: number; readonly errno?: string }
  readonly log?: { readonly folder: string; readonly errno?: string }
  /** Whether `ss` can be run, where it is of use. */
  readonly hasSocketFigures?: boolean
  /** What the service itself says it cannot do: code, and what may be done. */
  readonly faults: readonly { readonly code: string; readonly meaning: string; readonly action: string }[]
  readonly online?: { readonly destination: string; readonly wireBytes: number; readonly problem?: string }
}

export type ConfigFacts =
  | { readonly kind: 'valid'; readonly file: string; readonly policies: number; readonly ownership?: Ownership }
  | { readonly kind: 'wrong'; readonly message: string }

export interface StateFacts {
  readonly folder: string
  readonly ownership?: Ownership
  /** Missing where it cannot be told. */
  readonly freeBytes?: number
  /** `closed`: another user's, so that nothing in it can be looked at. */
  readonly kind: 'none' | 'closed' | 'there'
  readonly journal?: 'sound' | 'none' | 'newer' | 'damaged' | 'unreadable'
  /** When something was last written down in it, by the clock of then. */
  readonly lastAt?: number
}

export interface StreamFacts {
  readonly name: string
  readonly folder: string
  /** Of the first thing that could not be read. */
  readonly errno?: string
  /** Whether it was looked at with the rights of the service’s user. */
  readonly asService: boolean
}

export interface ServiceFacts {
  readonly running?: { readonly pid: number }
  /** Whether it answers on its socket. */
  readonly answers: boolean
  /** What the system’s service manager knows; missing where there is none that can be asked. */
  readonly installed?: { readonly manager: string; readonly unit?: string; readonly state?: string }
}

export interface CredentialFacts {
  readonly kind: 'there' | 'missing' | 'unusable'
  readonly since?: number
  readonly message?: string
  /** A token is there to enrol with. */
  readonly hasToken: boolean
}
