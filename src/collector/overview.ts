import type { Accounts, Device } from './accounts.ts'
import type { CollectorStore } from './store.ts'

/** A device and how far its log has come. Times are milliseconds since the epoch. */
export interface DeviceState extends Device {
  /** 0 for an empty log. */
  readonly headSeq: number
  readonly packs: number
  readonly bytes: number
  readonly lastPackAt?: number
}

/** Every device that has enrolled, by name. */
export async function overview(store: CollectorStore, accounts: Accounts): Promise<DeviceState[]> {
  const states: DeviceState[] = []
  for (const device of await accounts.devices()) {
    const head = await store.head(device.device)
    states.push({ ...device, headSeq: head?.seq ?? 0, ...await store.usage(device.device) })
  }
  return states
}
