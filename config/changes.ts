import { isDeepStrictEqual } from 'node:util'

import type { LoadedConfig } from './parse.ts'

/** Keys that a running service cannot change: what it has written down belongs to them. */
const fixedKeys: readonly string[] = ['state', 'device']

/** Keys whose values differ, in the order of the options table, then those that are gone. */
export function changedKeys(before: Pick<LoadedConfig, 'values'>, after: Pick<LoadedConfig, 'values'>): string[] {
  const keys = new Set([...after.values.keys(), ...before.values.keys()])
  return [...keys].filter((key) => !isDeepStrictEqual(before.values.get(key), after.values.get(key)))
}

/** `after` on the machine of `before`: a host name that is another meanwhile does not make it another device. */
export function onSameMachine<T extends LoadedConfig>(after: T, before: LoadedConfig): T {
  if ([before, after].some(({ origins }) => origins.get('device')?.from !== 'default')) return after
  const { device } = before.config
  return {
    ...after, config: { ...after.config, device },
    values: new Map(after.values).set('device', device), origins: new Map(after.origins).set('device', { value: device, from: 'default' }),
  }
}

/** The first of the keys that needs a restart. */
export function fixedKey(keys: readonly string[]): string | undefined {
  return keys.find((key) => fixedKeys.includes(key))
}
