import type { NetworkClass, NetworkCost, NetworkState } from '../scheduler/conditions.ts'
import type { Sensor } from '../scheduler/sensor.ts'

/** What the worker says of networks, by their identities. */
export type NetworkOverrides = ReadonlyMap<string, NetworkClass>

/** Costs that the worker’s word replaces. Roaming and a used-up allowance come and go while the network stays the same. */
const replacedBy: Readonly<Record<NetworkClass, ReadonlySet<NetworkCost>>> = {
  free: new Set(['unknown', 'metered', 'near-limit']),
  metered: new Set(['unknown', 'free', 'metered']),
}

/** The state with the worker's word on its cost. */
export function overridden(state: NetworkState, overrides: NetworkOverrides): NetworkState {
  const said = state.id === undefined ? undefined : overrides.get(state.id)
  if (said === undefined || !replacedBy[said].has(state.cost)) return state
  return { ...state, cost: said, because: 'set by you' }
}

/** A network whose cost the worker knows better. `overrides` is asked at each reading. */
export function withOverrides(sensor: Sensor<NetworkState>, overrides: () => NetworkOverrides): Sensor<NetworkState> {
  return {
    ...sensor,
    read: async () => {
      const reading = await sensor.read()
      return { ...reading, value: overridden(reading.value, overrides()) }
    },
  }
}
