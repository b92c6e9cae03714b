import type { PauseState } from '../../src/control/pause-state.ts'
import type { StartCompanion } from './companion.ts'
import { publishPause } from '../../src/control/pause-state.ts'
import { SluiceError } from '../../src/observe/error.ts'

/** What other programs of this user may ask the service. Without it the service goes on. */
export const startLocalApi: StartCompanion = async ({ config: { stateFolder }, emit }) => {
  // HTTP takes some 15 ms to load, which `run --once` need not spend.
  const { LocalApi, pauseRoutes } = await import('../../src/control/local-api.ts')
  let told: PauseState | undefined
  const state = (): PauseState => told ?? publishPause(stateFolder, Date.now())
  try {
    const api = await LocalApi.start({ stateFolder, routes: pauseRoutes(state) })
    return {
      tellPause: (next) => {
        told = next
        api.publish('pause', next)
      },
      [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
    }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    emit({ event: 'control.unavailable', code: error.code, message: error.message })
    return undefined
  }
}
