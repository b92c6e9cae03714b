import type { PauseState } from '../../src/control/pause-state.ts'
import type { LocalApi } from '../../src/control/local-api.ts'
import type { Config } from '../../config/options.ts'
import type { Status } from '../../src/control/status.ts'
import type { Emit } from '../../src/observe/events.ts'
import type { RunningService } from '../assemble.ts'
import type { StartCompanion } from './companion.ts'
import { publishPause } from '../../src/control/pause-state.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { programVersion } from '../version.ts'

/** How often what moves is looked at while somebody watches. */
const progressMs = 500
/** Several things often happen at once; who watches is told of their outcome. */
const settleMs = 100
/** Use, times and conditions change without an event. */
const refreshMs = 5000

/** What other programs of this user, or of a group, may ask the service. Without it the service goes on. */
export const startLocalApi: StartCompanion = async ({ config, emit, running }) => {
  // HTTP takes some 15 ms to load, which `run --once` need not spend.
  const [{ LocalApi }, { answers }] = await Promise.all([import('../../src/control/local-api.ts'), import('./answers.ts')])
  const { stateFolder } = config
  let told: PauseState | undefined
  const pause = (): PauseState => told ?? publishPause(stateFolder, Date.now())
  const { routes, status } = answers({ config, running, program: programVersion(), pause, now: Date.now })
  try {
    let watch: Watch | undefined
    const api = await LocalApi.start({ stateFolder, routes, onListener: () => watch?.begin() })
    const watching = watch = new Watch(api, status, () => running.sender.moving)
    await openToGroup(api, config, emit)
    return {
      take: () => watching.soon(),
      tellPause: (next) => {
        told = next
        api.publish('pause', next)
        watching.soon()
      },
      [Symbol.asyncDispose]: async () => {
        watching[Symbol.dispose]()
        await api[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    unavailable(error, emit)
    return undefined
  }
}

async function openToGroup(api: LocalApi, { control: { group, socket } }: Config, emit: Emit): Promise<void> {
  if (group === undefined || process.platform === 'win32') return
  try {
    const { groupIdOf } = await import('../../src/control/group-id.ts')
    await api.openTo(await groupIdOf(group), socket)
  } catch (error) {
    unavailable(error, emit)
  }
}

function unavailable(error: unknown, emit: Emit): void {
  if (!(error instanceof SluiceError)) throw error
  emit({ event: 'control.unavailable', code: error.code, message: error.message })
}

type ReadStatus = () => Promise<Status>

/** Tells those who listen of the status and of what moves; asleep while nobody does. */
class Watch implements Disposable {
  readonly #api: LocalApi
  readonly #read: ReadStatus
  readonly #moving: () => RunningService['sender']['moving']
  #timers: readonly NodeJS.Timeout[] = []
  #settling: NodeJS.Timeout | undefined
  #told = { status: '', progress: '' }

  constructor(api: LocalApi, read: ReadStatus, moving: () => RunningService['sender']['moving']) {
    this.#api = api
    this.#read = read
    this.#moving = moving
  }

  /** Somebody listens. */
  begin(): void {
    if (this.#timers.length > 0 || !this.#isWatched()) return
    this.#timers = [
      setInterval(() => this.#isWatched() ? this.#tellProgress() : this[Symbol.dispose](), progressMs).unref(),
      setInterval(() => void this.#tellStatus(), refreshMs).unref(),
    ]
  }

  #isWatched(): boolean {
    return this.#api.listensTo('status') || this.#api.listensTo('progress')
  }

  /** Something happened. */
  soon(): void {
    if (!this.#api.listensTo('status')) return
    this.#settling ??= setTimeout(() => void this.#tellStatus(), settleMs).unref()
  }

  async #tellStatus(): Promise<void> {
    clearTimeout(this.#settling)
    this.#settling = undefined
    if (!this.#api.listensTo('status')) return
    try {
      const status = await this.#read()
      if (this.#isNews('status', statusText(status))) this.#api.publish('status', status)
    } catch {
      // Settings or journal cannot be read now, which the service itself tells.
    }
  }

  #tellProgress(): void {
    const progress = this.#moving() ?? { packBytes: 0, sentBytes: 0 }
    if (this.#isNews('progress', JSON.stringify(progress))) this.#api.publish('progress', progress)
  }

  #isNews(what: 'status' | 'progress', text: string): boolean {
    const isNews = this.#told[what] !== text
    this.#told = { ...this.#told, [what]: text }
    return isNews
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer)
    clearTimeout(this.#settling)
    this.#timers = []
  }
}

/** Another text when the status says something else; when sensors were read is no news. */
function statusText(status: Status): string {
  return JSON.stringify(status, (key, value: unknown) => (key === 'at' || key === 'evidence' || key === 'forecast' ? undefined : value))
}
