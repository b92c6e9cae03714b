import { access } from 'node:fs/promises'
import type { Message, MessageBus } from '@jellybrick/dbus-next'
import { within } from '../scheduler/sensor.ts'

/** Where the system bus is unless DBUS_SYSTEM_BUS_ADDRESS says otherwise. */
export const systemBusAddress = 'unix:path=/run/dbus/system_bus_socket'

/** The little of a D-Bus connection that sensors need. Every call ends within `limitMs`. */
export interface SystemBus {
  /** All properties of one interface of an object; undefined when nobody owns the service's name. Starts no service. */
  properties(service: string, path: string, name: string): Promise<Readonly<Record<string, unknown>> | undefined>
  /** What a method without arguments answers; undefined when nobody owns the service's name. Starts no service. */
  call(service: string, path: string, name: string, member: string): Promise<readonly unknown[] | undefined>
  /** Asks for signals that match `rule` (D-Bus specification, "Match Rules"). */
  listen(rule: string): Promise<void>
  close(): void
}

export interface SystemBusOptions {
  readonly address: string
  readonly limitMs: number
  /** Called for each signal, with its arguments and its name. */
  readonly onSignal: (body: readonly unknown[], member: string) => void
  /** The connection ended without `close` having been called. */
  readonly onLost: () => void
}

/** Whether there can be a bus at `address`: its socket exists, or it is of a kind that has no file. */
async function busMayExist(address: string): Promise<boolean> {
  const path = /^unix:(?:.*,)?path=([^,;]+)/.exec(address)?.[1]
  return path === undefined || access(path).then(() => true, () => false)
}

/** Connects; rejects when there is no answer within `limitMs`. */
async function openSystemBus(options: SystemBusOptions): Promise<SystemBus> {
  const { Message, MessageFlag, MessageType, sessionBus } = await import('@jellybrick/dbus-next')
  // `sessionBus` connects to any address; `systemBus` would read the environment instead.
  const bus = sessionBus({ busAddress: options.address })
  const state = { open: true }
  const end = (tell: boolean) => {
    if (!state.open) return
    state.open = false
    bus.disconnect()
    streamOf(bus)?.destroy()
    if (tell) options.onLost()
  }
  const call = async (message: Message) => within(bus.call(message), options.limitMs)
  const ask = async <T>(message: ConstructorParameters<typeof Message>[0], answer: (reply: Message | null) => T) => {
    try {
      return answer(await call(new Message({ ...message, flags: MessageFlag.NO_AUTO_START })))
    } catch (error) {
      if (isNobodyThere(error)) return undefined
      throw error
    }
  }
  bus.on('message', (message) => {
    if (message.type === MessageType.SIGNAL && state.open) options.onSignal(message.body, message.member ?? '')
  })
  await within(connected(bus), options.limitMs).catch((error: unknown) => {
    end(false)
    throw error
  })
  onError(bus, () => end(true))
  streamOf(bus)?.once('close', () => end(true))
  return {
    properties: (destination, path, name) => ask({
      destination, path, interface: 'org.freedesktop.DBus.Properties', member: 'GetAll', signature: 's', body: [name],
    }, propertiesIn),
    call: (destination, path, name, member) => ask({ destination, path, interface: name, member }, (reply) => reply?.body ?? []),
    listen: async (rule) => {
      await call(new Message({
        destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus',
        member: 'AddMatch', signature: 's', body: [rule],
      }))
    },
    close: () => end(false),
  }
}

/** A connection to a bus that is made at its first use, and anew at the next use after it was lost. */
export interface KeptBus {
  /** What `work` returns; undefined where there is no bus, and after `close`. Rejects as the bus or `work` does. */
  use<T>(work: (bus: SystemBus) => Promise<T>): Promise<T | undefined>
  close(): Promise<void>
}

/** Keeps a connection that hears the signals of `rules` (D-Bus specification, "Match Rules"). */
export function keepBus(options: SystemBusOptions & { readonly rules: readonly string[] }): KeptBus {
  let closed = false
  let connection: Promise<SystemBus> | undefined
  const connect = async () => {
    const bus = await openSystemBus({
      ...options,
      onLost: () => {
        connection = undefined
        options.onLost()
      },
    })
    try {
      for (const rule of options.rules) await bus.listen(rule)
      return bus
    } catch (error) {
      bus.close()
      throw error
    }
  }
  const drop = async (dropped: Promise<SystemBus>) => {
    if (connection === dropped) connection = undefined
    await dropped.then((bus) => bus.close(), () => {})
  }
  return {
    use: async (work) => {
      if (!connection && !await busMayExist(options.address)) return undefined
      // Asked after the last wait and right before connecting, so that `close` sees every connection there will be.
      if (closed) return undefined
      const used = connection ??= connect()
      try {
        return await work(await used)
      } catch (error) {
        if (!isErrorReply(error)) await drop(used)
        throw error
      }
    },
    close: async () => {
      closed = true
      if (connection) await drop(connection)
    },
  }
}

function connected(bus: MessageBus): Promise<void> {
  return new Promise((resolve, reject) => {
    bus.once('connect', resolve)
    onError(bus, reject)
  })
}

/** The library's types leave this event out. A connection without a listener ends the process when it breaks. */
function onError(bus: MessageBus, listener: (error: Error) => void): void {
  const emitter = bus as unknown as NodeJS.EventEmitter
  emitter.on('error', listener)
}

/**
 * The connection's stream. The library only half-closes it on `disconnect`, which a bus that hangs never answers, and
 * tells nobody when it ends; so both are done here, on a field that its types leave out.
 */
function streamOf(bus: MessageBus): NodeJS.EventEmitter & { destroy(): void } | undefined {
  return (bus as unknown as { _connection?: { stream?: NodeJS.EventEmitter & { destroy(): void } } })._connection?.stream
}

function propertiesIn(reply: Message | null): Record<string, unknown> {
  const properties = reply?.body[0]
  if (typeof properties !== 'object' || properties === null) throw new Error('the answer has no properties')
  return Object.fromEntries(Object.entries(properties).map(([key, variant]) => [key, valueOf(variant)]))
}

function valueOf(variant: unknown): unknown {
  return typeof variant === 'object' && variant !== null && 'value' in variant ? variant.value : undefined
}

/** Nobody has the name, or its owner left before answering. */
const nobodyThere = ['ServiceUnknown', 'NameHasNoOwner', 'NoReply'].map((name) => `org.freedesktop.DBus.Error.${name}`)

function isNobodyThere(error: unknown): boolean {
  return isErrorReply(error) && nobodyThere.includes(error.type)
}

/** Whether a call failed because the answer was an error: the connection itself is well. */
export function isErrorReply(error: unknown): error is { readonly type: string } {
  return typeof error === 'object' && error !== null && 'type' in error && typeof error.type === 'string'
}
