import type { NetworkState } from '../scheduler/conditions.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { commandSensor } from './command-sensor.ts'
import type { CommandSensorOptions } from './command-sensor.ts'
import { windowsFacts } from './windows-facts.ts'

/** A PowerShell takes about half a second of processor time to start; a change is noticed this late. */
const freshMs = 15_000

/**
 * All connected profiles with what Windows knows of them, as lists. Never their names: those are the names of Wi-Fis.
 * The preferred one may be a VPN, which is not asked what lies under it: so all are told, and the worst counts.
 */
const script = `
$ErrorActionPreference = 'Stop'
$null = [Windows.Networking.Connectivity.NetworkInformation, Windows, ContentType = WindowsRuntime]
$cards = [System.Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces()
foreach ($link in [Windows.Networking.Connectivity.NetworkInformation]::GetConnectionProfiles()) {
  $level = $link.GetNetworkConnectivityLevel().ToString()
  if ($level -eq 'None') { continue }
  $adapter = $link.NetworkAdapter
  $id = $adapter.NetworkAdapterId.ToString('B')
  $card = $cards | Where-Object { $_.Id -eq $id } | Select-Object -First 1
  $routers = @()
  if ($card) { $routers = @($card.GetIPProperties().GatewayAddresses | ForEach-Object { $_.Address.ToString() }) }
  '--- profile'
  'ConnectivityLevel : ' + $level
  'IanaInterfaceType : ' + $adapter.IanaInterfaceType
  'NetworkId : ' + $adapter.NetworkItem.NetworkId
  'Gateway : ' + ($routers -join ' ')
  $link.GetConnectionCost() | Format-List
}
'--- end'
`

const quietly = ['-NoProfile', '-NonInteractive', '-Command']

/** Network of Windows 10 and later, from one Windows PowerShell (its successor cannot load these types). */
export function windowsNetwork(options: CommandSensorOptions): Sensor<NetworkState> {
  return commandSensor({
    ...options, source: 'Windows', freshMs,
    ask: async (run) => windowsFacts(await run('powershell.exe', [...quietly, script])),
  })
}
