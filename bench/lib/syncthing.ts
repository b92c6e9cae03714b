import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { versionOf, type Installed } from './peers.ts'
import { startRunning, type Running } from './running.ts'

export const syncthing: Installed = {
  name: 'syncthing',
  install: 'apt-get install syncthing',
  version: () => versionOf(['syncthing', '--version']),
}

/**
 * One instance that watches `folder` and knows no other device: no discovery, relays, NAT, upgrades, reports or web
 * page. That is the least that it can cost.
 */
export async function startSyncthing(folder: string, home: string): Promise<Running> {
  mkdirSync(home)
  writeFileSync(join(home, 'config.xml'), `<configuration version="36">
  <folder id="bench" path="${folder}" type="sendreceive" rescanIntervalS="3600" fsWatcherEnabled="true"></folder>
  <gui enabled="false"></gui>
  <options>
    <listenAddress>tcp://127.0.0.1:0</listenAddress>
    <globalAnnounceEnabled>false</globalAnnounceEnabled>
    <localAnnounceEnabled>false</localAnnounceEnabled>
    <relaysEnabled>false</relaysEnabled>
    <natEnabled>false</natEnabled>
    <urAccepted>-1</urAccepted>
    <startBrowser>false</startBrowser>
    <autoUpgradeIntervalH>0</autoUpgradeIntervalH>
    <crashReportingEnabled>false</crashReportingEnabled>
  </options>
</configuration>
`)
  const options = ['--no-browser', '--no-restart', '--no-upgrade', '--no-default-folder']
  return startRunning('syncthing', { argv: ['syncthing', 'serve', `--home=${home}`, ...options], env: { HOME: home } })
}
