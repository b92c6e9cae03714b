import type { ProductionModule } from './modules.ts'

export interface DebFacts {
  readonly product: string
  /** Of the package: that of the product, and a revision. */
  readonly version: string
  readonly description: string
  readonly maintainer: string
  readonly installedKilobytes: number
  readonly time: Date
}

/** Oldest C and C++ libraries that the Node.js inside runs with, by the symbols it asks for. */
const depends = 'libc6 (>= 2.28), libgcc-s1 (>= 3.4), libstdc++6 (>= 5.2), procps, systemd (>= 247), init-system-helpers (>= 1.54~)'

/** `acl` lets a folder of captures be opened to the service alone; the others tell power and networks. */
const recommends = 'acl, dbus, iproute2, network-manager, upower'

/** `DEBIAN/control`. */
export function controlFile({ product, version, description, maintainer, installedKilobytes }: DebFacts): string {
  return `Package: ${product}
Version: ${version}
Architecture: amd64
Maintainer: ${maintainer}
Installed-Size: ${installedKilobytes}
Depends: ${depends}
Recommends: ${recommends}
Section: utils
Priority: optional
Description: sends what capture tools write when it costs nobody anything
 ${foldedInto(description, 76)}
 .
 The service runs as the user sluice, and does nothing until there is a
 config, /etc/sluice/config.yaml. The Node.js that it runs on is inside, so
 that none need be installed and one that is stays as it is.
`
}

/** `changelog.Debian`: what changed in the product is in its own changelog beside this one. */
export function debianChangelog({ product, version, maintainer, time }: DebFacts): string {
  const date = time.toUTCString().replace('GMT', '+0000')
  return `${product} (${version}) stable; urgency=medium\n\n  * Built from version ${version.replace(/-[^-]*$/, '')}; changelog.gz says what is new.\n\n -- ${maintainer}  ${date}\n`
}

/** The machine-readable `copyright` (DEP 5). Modules keep their own terms in their folders. */
export function copyrightFile({ product, time }: DebFacts, modules: readonly ProductionModule[]): string {
  const byLicense = Map.groupBy(modules, ({ license }) => license)
  const paragraphs = [...byLicense].sort(([a], [b]) => (a < b ? -1 : 1)).map(([license, of]) => [
    `Files: ${of.map(({ path }) => `usr/lib/${product}/${path}/*`).join('\n ')}`,
    `Copyright: the authors of ${[...new Set(of.map(({ name }) => name))].join(',\n ')}`,
    `License: ${license}${standaloneTerms(license)}`,
  ].join('\n'))
  return `${[
    `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: ${product}`,
    `Files: *\nCopyright: ${time.getUTCFullYear()} the authors of Sluice\nLicense: Apache-2.0\n The full text is in /usr/share/common-licenses/Apache-2.0.`,
    `Files: usr/lib/${product}/node/*\nCopyright: Node.js contributors, and the authors of what it contains\n`
    + `License: Node.js\n The full text, with the terms of all that it contains, is in\n /usr/lib/${product}/node/LICENSE.`,
    ...paragraphs,
  ].join('\n\n')}\n`
}

function standaloneTerms(license: string): string {
  return license === 'Apache-2.0'
    ? '\n The full text is in /usr/share/common-licenses/Apache-2.0.'
    : '\n The full text is in the folder of each, unless it names the license only.'
}

function foldedInto(text: string, width: number): string {
  const lines = ['']
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? ''
    if (line !== '' && line.length + word.length >= width) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.join('\n ')
}
