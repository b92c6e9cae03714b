import type { IncomingMessage } from 'node:http'
import type { Api, ApiEvents, RouteName } from './api.ts'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { errorCodes, type ErrorCode } from '../observe/error-codes.ts'
import { SluiceError, systemCode } from '../observe/error.ts'
import { eventNames } from './api.ts'
import { controlPath } from './private-socket.ts'

/** An answer takes milliseconds; a service that is stopped in a debugger takes forever. */
const answerMs = 10_000
/** Some hundred times the largest answer. */
const maxAnswerBytes = 16 << 20
/** Whether anybody is there is asked before every command: one that hangs must not keep the person waiting. */
const findMs = 2000
/** A comment comes every 30 s. */
const silenceMs = 75_000

/** Something that happened, as `GET /v1/events` tells it. */
export type ApiEvent = { [Name in keyof ApiEvents]: { readonly name: Name; readonly data: ApiEvents[Name] } }[keyof ApiEvents]

/** Where a service may answer. */
export interface ControlPlace {
  readonly stateFolder: string
  /** The socket for a group, where the config names one. */
  readonly groupSocket?: string | undefined
}

/** A service that answers, for a program on the same machine. */
export class Client {
  readonly #socket: string

  private constructor(socket: string) {
    this.#socket = socket
  }

  /** The service of a state folder; undefined where none answers to this user. */
  static async find({ stateFolder, groupSocket }: ControlPlace): Promise<Client | undefined> {
    for (const socket of [controlPath(stateFolder), groupSocket]) {
      if (socket === undefined) continue
      const client = new Client(socket)
      if (await client.call('GET /v1/version', {}, findMs).then(() => true, () => false)) return client
    }
    return undefined
  }

  /** Asks, and returns the answer. Throws the service’s own errors, and `state-unusable` where it does not answer. */
  async call<Name extends RouteName>(route: Name, request: Api[Name]['request'], mostMs = answerMs): Promise<Api[Name]['answer']> {
    const [method = '', path = ''] = route.split(' ')
    const texts = Object.entries(request).filter(([, value]) => value !== undefined)
    const response = method === 'GET'
      ? await this.#open(`${path}?${new URLSearchParams(texts.map(([key, value]): [string, string] => [key, String(value)])).toString()}`, AbortSignal.timeout(mostMs))
      : await this.#open(path, AbortSignal.timeout(mostMs), JSON.stringify(request))
    const answer = await jsonOf(response)
    if (response.statusCode === 200) return answer as Api[Name]['answer']
    throw errorIn(answer)
  }

  /** What happens, from the state now on, until the service ends or `signal` aborts. Throws as `call` does. */
  async *events(of: readonly (keyof ApiEvents)[], signal: AbortSignal): AsyncGenerator<ApiEvent> {
    const response = await this.#open(`/v1/events?of=${of.join(',')}`, signal)
    if (response.statusCode !== 200) throw errorIn(await jsonOf(response))
    response.setTimeout(silenceMs, () => response.destroy())
    let text = ''
    try {
      for await (const part of response.setEncoding('utf8')) {
        const messages = `${text}${String(part)}`.split('\n\n')
        text = messages.pop() ?? ''
        if (text.length > maxAnswerBytes) return
        for (const message of messages) {
          const event = eventIn(message)
          if (event) yield event
        }
      }
    } catch {
      // Cut off: the service ended.
    } finally {
      response.destroy()
    }
  }

  async #open(path: string, signal: AbortSignal, body?: string): Promise<IncomingMessage> {
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const asking = httpRequest({ socketPath: this.#socket, path, method: body === undefined ? 'GET' : 'POST', headers, agent: false, signal })
    asking.on('error', () => undefined) // also after the answer has begun
    asking.end(body)
    try {
      return (await once(asking, 'response') as [IncomingMessage])[0]
    } catch (error) {
      throw silent(error)
    }
  }
}

async function jsonOf(response: IncomingMessage): Promise<unknown> {
  let text = ''
  try {
    for await (const part of response.setEncoding('utf8')) {
      text += String(part)
      if (text.length > maxAnswerBytes) throw new SluiceError('state-unusable', 'The service answers more than it could say.')
    }
    return parsed(text)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw silent(error)
  }
}

/** JSON has no Infinity: `maxBytes` is null where no cap limits a decision. */
function parsed(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => (key === 'maxBytes' && value === null ? Infinity : value))
}

function silent(error: unknown): SluiceError {
  return new SluiceError('state-unusable', `The service does not answer (${systemCode(error) ?? 'no answer'}).`, { transient: true, cause: error })
}

function errorIn(answer: unknown): SluiceError {
  const { code, message } = (answer as { readonly error?: { readonly code?: string; readonly message?: string } } | null)?.error ?? {}
  const known = Object.keys(errorCodes).find((each) => each === code) as ErrorCode | undefined
  return new SluiceError(known ?? 'state-unusable', message ?? 'The service answers something else.')
}

function eventIn(message: string): ApiEvent | undefined {
  const fields = new Map(message.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()]))
  const name = eventNames.find((each) => each === fields.get('event'))
  return name && { name, data: parsed(fields.get('data') ?? 'null') as never }
}
