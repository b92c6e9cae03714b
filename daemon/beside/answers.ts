import type { Config } from '../../config/options.ts'
import type { Api, ApiEvents, RouteName } from '../../src/control/api.ts'
import type { Given, Routes } from '../../src/control/local-api.ts'
import type { PauseState } from '../../src/control/pause-state.ts'
import type { Status } from '../../src/control/status.ts'
import type { Settings } from '../../src/journal/settings.ts'
import type { RunningService } from '../assemble.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { readRequest } from '../../src/control/api.ts'
import { readHistory } from '../../src/control/history.ts'
import { eventsAsked } from '../../src/control/local-api.ts'
import { knownNetworks, setNetwork, type KnownNetwork } from '../../src/control/networks.ts'
import { changeSettings } from '../../src/control/pause-state.ts'
import { readPreview } from '../../src/control/preview.ts'
import { capStatus, statusOf, usedNetworks } from '../../src/control/status.ts'
import { dropLeadMs, pausedBy, resumed, withCap, withoutCap, withStream } from '../../src/control/wishes.ts'
import { readSettings } from '../../src/journal/settings.ts'
import { headline } from '../../src/scheduler/explain.ts'
import { wireBytesTo } from '../../src/transfer/open-destination.ts'
import { planWatch } from '../assemble.ts'

/** Packs that `GET /v1/history` tells where nobody says how many. */
const usualPacks = 100

export interface AnswerParts {
  readonly config: Config
  readonly running: Pick<RunningService, 'state' | 'sensors' | 'sender' | 'capture'>
  readonly program: string
  readonly pause: () => PauseState
  readonly now: () => number
}

type Answers = { readonly [R in RouteName]: (request: Api[R]['request']) => Api[R]['answer'] | Promise<Api[R]['answer']> }

/** What the local API answers where, from the service that runs. */
export function answers(parts: AnswerParts): { readonly routes: Routes; readonly status: () => Promise<Status> } {
  const status = (): Promise<Status> => statusNow(parts)
  const all: Answers = { ...seen(parts), ...wished(parts) }
  const names = Object.keys(all) as RouteName[]
  const routes = Object.fromEntries(names.map((name) => [name, async (given: Given) => ({ kind: 'json' as const, body: await asked(all, name, given) })]))
  return {
    status,
    routes: {
      ...routes,
      'GET /v1/events': async (given) => {
        const of = eventsAsked(given)
        const first: Partial<ApiEvents> = {
          ...(of.includes('pause') && { pause: parts.pause() }),
          ...(of.includes('status') && { status: await status() }),
          ...(of.includes('progress') && { progress: parts.running.sender.moving ?? { packBytes: 0, sentBytes: 0 } }),
        }
        return { kind: 'events', of, first }
      },
    },
  }
}

function asked<R extends RouteName>(all: Answers, name: R, given: Given): Api[R]['answer'] | Promise<Api[R]['answer']> {
  return all[name](readRequest[name](given))
}

async function statusNow({ config, running: { state, sensors }, now }: AnswerParts, change?: (settings: Settings) => Settings): Promise<Status> {
  return await statusOf({
    config, sensors, change, journal: state.journal, ledger: state.ledger, plan: (journal) => planWatch(config, journal),
    wireBytes: wireBytesTo(config.destination, config.connection.direct),
  }, now())
}

function seen(parts: AnswerParts) {
  const { config, running: { state, capture }, program, pause, now } = parts
  const settings = (): Settings => readSettings(config.stateFolder)
  return {
    'GET /v1/version': () => ({ api: 1, program, device: config.device, pid: process.pid }),
    'GET /v1/status': async ({ sendNowMs }) => {
      const at = now()
      return await statusNow(parts, sendNowMs === undefined ? undefined : (old) => ({ ...old, sendNow: { since: at, until: at + sendNowMs } }))
    },
    'GET /v1/why': async () => {
      const status = await statusNow(parts)
      const { running, queues, sendNow } = status
      return { version: 1, answer: headline(status), ...(running && { running }), ...(sendNow && { sendNow }), queues }
    },
    'GET /v1/history': ({ limit = usualPacks, before }) => readHistory(state.journal, settings().networks, limit, before),
    'GET /v1/preview': async () => ({
      ...await readPreview(state.journal, state.spool, zstdNative),
      captured: capture.pending().filter(({ files }) => files > 0).map(({ stream, files, bytes, oldestAt }) => ({ stream, files, bytes, oldestAt })),
    }),
    'GET /v1/pause': pause,
    'GET /v1/caps': () => ({ caps: capStatus(config, settings(), state.ledger, now()) }),
    'GET /v1/networks': async () => ({ networks: await networks(parts, settings()) }),
    'GET /v1/streams': () => {
      const off = new Map(settings().streamsOff.map(({ stream, since }) => [stream, since]))
      return { streams: config.streams.map(({ name, purpose, optional }) => {
        const offSince = off.get(name)
        return { name, purpose, optional, ...(offSince !== undefined && { offSince }) }
      }) }
    },
  } satisfies Partial<Answers>
}

async function networks({ config, running: { state, sensors }, now }: AnswerParts, settings: Settings): Promise<KnownNetwork[]> {
  return knownNetworks(await sensors.network.read(), settings.networks, usedNetworks(config, state.ledger, now()))
}

function wished(parts: AnswerParts) {
  const { config, now } = parts
  /** Changes the settings, and returns what else `change` has to tell. */
  function change<Told extends { readonly settings: Settings }>(wish: (old: Settings, at: number) => Told): Told {
    let told: Told | undefined
    changeSettings(config.stateFolder, now, (old, at) => {
      told = wish(old, at)
      return told.settings
    })
    if (!told) throw new Error('the settings were not changed')
    return told
  }
  return {
    'POST /v1/pause': async (wish) => {
      const { settings: { pause }, before } = change((old, at) => pausedBy(wish, old, at, config))
      if (!pause) throw new Error('the pause was not kept')
      if (wish.captures === 'drop') await sleep(dropLeadMs)
      return { pause, ...(before && { before }) }
    },
    'POST /v1/resume': () => {
      const { ended } = change(resumed)
      return ended ? { ended } : {}
    },
    'POST /v1/send-now': ({ forMs }) => {
      const { settings: { sendNow }, was } = change(({ sendNow: old, ...rest }, at): { readonly settings: Settings; readonly was: boolean } => ({
        was: old !== undefined && old.until > at, settings: forMs === 0 ? rest : { ...rest, sendNow: { since: at, until: at + forMs } },
      }))
      return { ...(sendNow && { sendNow }), was }
    },
    'POST /v1/caps/set': (wish) => {
      const { set, before } = change((old) => withCap(wish, old, config))
      return { set, ...(before && { before }) }
    },
    'POST /v1/caps/remove': ({ id }) => ({ removed: change((old) => withoutCap(id, old, config)).removed }),
    'POST /v1/networks/set': async (wish) => {
      const known = await networks(parts, readSettings(config.stateFolder))
      const { network, before } = change((old) => setNetwork(wish, old, known, config))
      return { set: network, ...(before && { before }) }
    },
    'POST /v1/streams/set': (wish) => {
      const { settings, wasOff } = change((old, at) => withStream(wish, old, at, config))
      const off = settings.streamsOff.find(({ stream }) => stream === wish.stream)
      return { ...(off && { offSince: off.since }), wasOff }
    },
  } satisfies Partial<Answers>
}
