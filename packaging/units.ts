import { packagedPlace } from '../daemon/service/place.ts'
import { packagedSysusers, packagedUnit, systemUnit, sysusers } from '../daemon/service/systemd.ts'

/** What the package tells systemd, by where it is installed. */
export function unitFiles(): Readonly<Record<string, string>> {
  return { [packagedUnit]: systemUnit(packagedPlace), [packagedSysusers]: sysusers }
}
