import type { Facts } from '../../src/control/doctor/facts.ts'
import { expect, test } from 'vitest'
import { findings } from '../../src/control/doctor/findings.ts'

const now = Date.UTC(2026, 10, 23, 12)
const day = 86_400_000
const well: Facts = {
  now, version: '0.1.0', nodeMajor: 24, neededNodeMajor: 24, system: 'linux', platform: 'linux', userId: 1000,
  config: { kind: 'valid', file: '/c.yaml', policies: 1, ownership: { ownerId: 0, mode: 0o644 } },
  state: { folder: '/s', kind: 'there', ownership: { ownerId: 1000, mode: 0o700 }, freeBytes: 5e9, journal: 'sound', lastAt: now - day },
  streams: [{ name: 'keys', folder: '/k', asService: true }],
  watches: { most: 1000, folders: 10, isWholeCount: true },
  power: { value: { supply: 'mains', saver: 'off' }, source: 'UPower', at: now },
  network: { value: { cost: 'free' }, source: 'NetworkManager', at: now },
  service: { running: { pid: 1 }, answers: true, installed: { manager: 'systemctl', unit: 'sluice.service', state: 'active, enabled' } },
  credential: { kind: 'there', since: now - day, hasToken: false },
  certificate: { path: '/cert', until: now + 90 * day },
  log: { folder: '/log' }, hasSocketFigures: true, faults: [], online: { destination: 'https://c/', wireBytes: 3000 },
}
const state = well.state ?? { folder: '/s', kind: 'none' }

/** The findings that are not well, as `check level`. */
const wrong = (change: Partial<Facts>): string[] => findings({ ...well, ...change }).filter(({ level }) => level !== 'ok').map(({ check, level }) => `${check} ${level}`)

test('nothing is found where all is well, and everything is told in a sentence', () => {
  expect(wrong({})).toEqual([])
  for (const { says } of findings(well)) expect(says).toMatch(/^.+\.$/)
})

test.each<[string, Partial<Facts>, string[]]>([
  ['an old Node.js', { nodeMajor: 20 }, ['program fail']],
  ['a config that is wrong', { config: { kind: 'wrong', message: 'No.' } }, ['config fail']],
  ['a config that others may write', { config: { kind: 'valid', file: '/c', policies: 0, ownership: { ownerId: 1000, mode: 0o666 } } }, ['config fail']],
  ['a config of another person', { config: { kind: 'valid', file: '/c', policies: 0, ownership: { ownerId: 1001, mode: 0o644 } } }, ['config warn']],
  ['no state folder yet', { state: { folder: '/s', kind: 'none' } }, ['state warn']],
  ['a state folder that others may write', { state: { ...state, ownership: { ownerId: 1000, mode: 0o777 } } }, ['state fail']],
  ['a state folder that others may read', { state: { ...state, ownership: { ownerId: 1000, mode: 0o755 } } }, ['state warn']],
  ['a state folder of the service’s user', { state: { folder: '/s', kind: 'closed', ownership: { ownerId: 990, mode: 0o700 } } }, []],
  ['little room', { state: { ...state, freeBytes: 5e8 } }, ['disk warn']],
  ['no room', { state: { ...state, freeBytes: 1e6 } }, ['disk fail']],
  ['a newer journal', { state: { ...state, journal: 'newer' } }, ['journal fail']],
  ['a damaged journal', { state: { ...state, journal: 'damaged' } }, ['journal fail']],
  ['a journal that cannot be opened', { state: { ...state, journal: 'unreadable' } }, ['journal fail']],
  ['no journal', { state: { ...state, journal: 'none' } }, ['journal warn']],
  ['a clock of 2024', { now: Date.UTC(2024, 0, 1) }, ['clock fail']],
  ['a clock that went back', { state: { ...state, lastAt: now + day } }, ['clock fail']],
  ['a missing folder', { streams: [{ name: 'keys', folder: '/k', errno: 'ENOENT', asService: true }] }, ['stream keys warn']],
  ['a folder that cannot be read', { streams: [{ name: 'keys', folder: '/k', errno: 'EACCES', asService: true }] }, ['stream keys fail']],
  ['few watches', { watches: { most: 15, folders: 10, isWholeCount: false } }, ['watches warn']],
  ['no service', { service: { answers: false } }, ['service warn']],
  ['a service that is silent', { service: { running: { pid: 1 }, answers: false } }, ['service warn']],
  ['a service that nobody starts', { service: { answers: true, installed: { manager: 'systemd' } } }, ['installed warn']],
  ['power that nobody knows', { power: { value: { supply: 'unknown', saver: 'unknown' }, source: 'none', at: now } }, ['power warn']],
  ['an old reading', { power: { value: { supply: 'mains', saver: 'off' }, source: 'UPower', at: now - 3_600_000 } }, ['power warn']],
  ['a network of unknown cost', { network: { value: { cost: 'unknown' }, source: 'routes', at: now } }, ['network warn']],
  ['a login page', { network: { value: { cost: 'free', reach: 'portal' }, source: 'NetworkManager', at: now } }, ['network warn']],
  ['no credential', { credential: { kind: 'missing', hasToken: false } }, ['credential fail']],
  ['a token', { credential: { kind: 'missing', hasToken: true } }, []],
  ['a credential that cannot be used', { credential: { kind: 'unusable', message: 'Bad.', hasToken: true } }, ['credential fail']],
  ['a certificate that ends soon', { certificate: { path: '/cert', until: now + day } }, ['certificate warn']],
  ['a certificate that ended', { certificate: { path: '/cert', until: now } }, ['certificate fail']],
  ['no certificate', { certificate: { path: '/cert', errno: 'ENOENT' } }, ['certificate fail']],
  ['no log folder', { log: { folder: '/log', errno: 'EACCES' } }, ['log fail']],
  ['no ss', { hasSocketFigures: false }, ['ss warn']],
  ['a fault', { faults: [{ code: 'destination-full', meaning: 'Full.', action: 'Wait.' }] }, ['fault destination-full fail']],
  ['a destination that is silent', { online: { destination: 'https://c/', wireBytes: 60, problem: 'No answer.' } }, ['destination fail']],
])('%s', (_, change, expected) => {
  expect(wrong(change)).toEqual(expected)
  for (const { level, todo } of findings({ ...well, ...change })) expect(todo === undefined).toBe(level === 'ok')
})
