import type { Level } from '../fields.ts'
import type { EventName, SluiceEvent } from '../events.ts'
import { catalogue, checkEvent } from '../events.ts'

/** `json`: names of Sluice's own. `ecs`: those of the Elastic Common Schema. */
export type LogFormat = 'json' | 'ecs'

/** What every line says besides its event. */
export interface Stamp {
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly device: string
  readonly version: string
}

const ecsVersion = '8.11.0'

export function levelOf(event: { readonly event: EventName }): Level {
  return catalogue[event.event].level
}

/** The field of a line that holds its level. */
export function levelField(format: LogFormat, level: string): Readonly<Record<string, string>> {
  return format === 'ecs' ? { 'log.level': level } : { level }
}

/** The other fields of a line, in order. */
export function lineFields(format: LogFormat, event: SluiceEvent, { time, device, version }: Stamp): Readonly<Record<string, unknown>> {
  const at = new Date(time).toISOString()
  const { event: name, ...fields } = event
  if (format === 'json') return { time: at, event: name, device, version, ...fields }
  return {
    '@timestamp': at, 'message': 'message' in event ? event.message : name, 'ecs.version': ecsVersion,
    'event.action': name, 'host.name': device, 'service.name': 'sluice', 'service.version': version, 'sluice': fields,
  }
}

/** What is wrong with a line of a log, either format, in sentences; none when it is right. Of a line that was cut off: that. */
export function checkLine(line: string): string[] {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return ['no whole line of JSON']
  }
  if (typeof value !== 'object' || value === null) return ['not an object']
  return '@timestamp' in value ? checkEcs(value) : checkJson(value as Record<string, unknown>)
}

function checkJson({ time, level, device, version, ...event }: Record<string, unknown>): string[] {
  const isStarted = event['event'] === 'service.started'
  return [...checkStamp({ time, level, device, version }, event['event']), ...checkEvent(isStarted ? { ...event, device } : event)]
}

function checkEcs(line: Record<string, unknown>): string[] {
  const {
    '@timestamp': time, 'log.level': level, 'event.action': event, 'host.name': device, 'service.version': version, 'sluice': fields,
    'message': message, 'ecs.version': ecs, 'service.name': service, ...others
  } = line
  const strange = [
    ...Object.keys(others).map((name) => `unknown field ${name}`),
    ...(ecs === ecsVersion && service === 'sluice' && typeof message === 'string' ? [] : ['no ecs.version, service.name or message']),
  ]
  const own = typeof fields === 'object' ? fields : undefined
  return [...strange, ...checkStamp({ time, level, device, version }, event), ...checkEvent({ event, ...own })]
}

function checkStamp(stamp: Readonly<Record<'time' | 'level' | 'device' | 'version', unknown>>, event: unknown): string[] {
  const { time, level, device, version } = stamp
  const expected = typeof event === 'string' && Object.hasOwn(catalogue, event) ? levelOf({ event: event as EventName }) : undefined
  return [
    ...(typeof time === 'string' && !Number.isNaN(Date.parse(time)) && new Date(time).toISOString() === time ? [] : [`time is no ISO time in UTC: ${String(time)}`]),
    ...(expected === undefined || level === expected ? [] : [`${String(event)}: level is ${String(level)}, not ${expected}`]),
    ...(typeof device === 'string' && device !== '' ? [] : ['no device']),
    ...(typeof version === 'string' && version !== '' ? [] : ['no version']),
  ]
}
