import type { PowerState } from '../scheduler/conditions.ts'
import { powerFrom } from './on-mains.ts'
import type { PowerSupply } from './on-mains.ts'

/**
 * One PowerShell for all: each battery as Windows sums it up (Win32_Battery), as its driver tells (BatteryStatus in root/wmi,
 * which alone shows a battery that drains beside a weak charger), and the energy saver. Only the first has to be there.
 */
export const windowsPowerScript = [
  `$ErrorActionPreference = 'Stop'`,
  `Get-CimInstance -ClassName Win32_Battery | Format-List BatteryStatus, EstimatedChargeRemaining`,
  `try { Get-CimInstance -Namespace root/wmi -ClassName BatteryStatus | Format-List Active, Charging, Discharging, PowerOnline } catch {}`,
  `try { $null = [Windows.System.Power.PowerManager, Windows.System.Power, ContentType = WindowsRuntime]`,
  `'EnergySaverStatus : ' + [Windows.System.Power.PowerManager]::EnergySaverStatus } catch {}`,
].join('; ')

/**
 * What Windows runs on, from lists as `Format-List` prints them: names and truth values are in English whatever the language.
 * Nothing at all is a machine without a battery. The driver's word on the charger counts before the summary, which calls a
 * battery that drains beside a charger `2`, "has access to AC". Energy saver: `On` is on, `Off` and `Disabled` are off;
 * Windows 11 24H2 also says `Off` for its milder standard mode (github.com/microsoft/WindowsAppSDK/issues/6483).
 */
export function powerFromWindows(output: string): PowerState {
  const records = output.split(/\r?\n(?:[ \t]*\r?\n)+/).map(recordFrom)
  const drivers = records.filter((record) => record.has('PowerOnline') && record.get('Active') !== 'False')
  const summaries = records.filter((record) => record.has('EstimatedChargeRemaining'))
  const charges = summaries.map((record): PowerSupply => ({
    type: 'Battery',
    ...(drivers.length === 0 && { status: statusFromCode(record.get('BatteryStatus')) }),
    ...numeric('capacity', record.get('EstimatedChargeRemaining')),
  }))
  const states = drivers.map((record): PowerSupply => ({ type: 'Battery', status: statusFromDriver(record) }))
  const batteries = [...charges, ...states]
  const charger: PowerSupply = { type: 'Mains', online: isPlugged(drivers, charges) ? 1 : 0 }
  const saver = saverFrom(records.find((record) => record.has('EnergySaverStatus'))?.get('EnergySaverStatus'))
  return { ...powerFrom(batteries.length === 0 ? [] : [charger, ...batteries]), saver }
}

type Record = ReadonlyMap<string, string>

function recordFrom(text: string): Record {
  return new Map([...text.matchAll(/^[ \t]*(\w+)[ \t]*:[ \t]*(.*?)[ \t\r]*$/gm)].map(([, name = '', value = '']) => [name, value]))
}

function isPlugged(drivers: readonly Record[], charges: readonly PowerSupply[]): boolean {
  if (drivers.length > 0) return drivers.some((record) => record.get('PowerOnline') === 'True')
  const isAnywhere = (...statuses: string[]) => charges.some(({ status = 'Unknown' }) => statuses.includes(status))
  return isAnywhere('Charging', 'Not charging', 'Full') && !isAnywhere('Discharging')
}

function statusFromDriver(record: Record): string {
  if (record.get('Discharging') === 'True') return 'Discharging'
  if (record.get('Charging') === 'True') return 'Charging'
  return record.get('PowerOnline') === 'True' ? 'Not charging' : 'Unknown'
}

/** BatteryStatus of Win32_Battery (learn.microsoft.com, win32-battery). 4 and 5, low and critical, do not say that it charges. */
function statusFromCode(code: string | undefined): string {
  if (code === '1' || code === '4' || code === '5') return 'Discharging'
  if (code === '2' || code === '11') return 'Not charging'
  if (code === '3') return 'Full'
  return code === '6' || code === '7' || code === '8' || code === '9' ? 'Charging' : 'Unknown'
}

function numeric<K extends string>(name: K, text: string | undefined): { [key in K]?: number } {
  return (text !== undefined && /^\d+$/.test(text) ? { [name]: Number(text) } : {}) as { [key in K]?: number }
}

function saverFrom(status: string | undefined): PowerState['saver'] {
  if (status === 'On') return 'on'
  return status === 'Off' || status === 'Disabled' ? 'off' : 'unknown'
}
