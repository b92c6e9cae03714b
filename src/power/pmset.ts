import type { PowerState } from '../scheduler/conditions.ts'
import { powerFrom } from './on-mains.ts'
import type { PowerSupply } from './on-mains.ts'

const statuses: Readonly<Record<string, string>> = {
  'charging': 'Charging',
  'finishing charge': 'Charging',
  'discharging': 'Discharging',
  'charged': 'Full',
  'AC attached': 'Not charging',
}

/**
 * What macOS runs on, from the output of `pmset -g batt` (man pmset). Its first line decides between mains and battery; an
 * uninterruptible power supply that feeds the machine is a battery. Throws on output of another form.
 */
export function powerFromPmset(output: string): Omit<PowerState, 'saver'> {
  const from = /^Now drawing from '(AC|Battery|UPS) Power'/m.exec(output)?.[1]
  if (!from) throw new Error('pmset says nothing of a power source')
  const batteries = [...output.matchAll(/^ *-(.*?)(?: *\(id=\d+\))?[ \t]+(\d+)%;(.*)$/gm)].map(([, name = '', percent, state = '']) => ({
    isOwn: name.startsWith('InternalBattery'),
    percent: Number(percent),
    status: state.split(/;| present:/)[0]?.trim() ?? '',
    isPresent: !state.includes('present: false'),
  }))
  const own = batteries.filter((battery) => battery.isOwn)
  const counted = own.length > 0 || from !== 'UPS' ? own : batteries
  const supplies = counted.map(({ percent, status, isPresent }): PowerSupply => ({
    type: 'Battery',
    present: isPresent ? 1 : 0,
    status: from === 'AC' ? statuses[status] ?? 'Unknown' : 'Discharging',
    capacity: percent,
  }))
  const power = powerFrom([{ type: 'Mains', online: from === 'AC' ? 1 : 0 }, ...supplies])
  return from === 'AC' ? power : { ...power, supply: 'battery' }
}

/**
 * Whether Low Power Mode is in use, from the output of `pmset -g`: `lowpowermode 1`, or `powermode 1` on machines that also
 * have a high power mode (2). `unknown` before macOS 12, which has neither.
 */
export function saverFromPmset(output: string): PowerState['saver'] {
  const modes = [...output.matchAll(/^ *(?:lowpowermode|powermode) +(\d+)/gm)].map(([, mode]) => mode)
  if (modes.length === 0) return 'unknown'
  return modes.includes('1') ? 'on' : 'off'
}
