import { execFile, spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** `near`: where the client runs. `road`: the router in between. `far`: where the server runs. */
export type Side = 'near' | 'road' | 'far'

/** What crossed a side's interface, Ethernet headers included, as in /proc/net/dev. */
export interface Counters {
  readonly outBytes: number
  readonly inBytes: number
}

/** One packet at an interface; `at` is the kernel's time of it, milliseconds. */
export interface Packet {
  readonly at: number
  readonly direction: 'out' | 'in'
  /** As in `Counters`. */
  readonly bytes: number
  /** TCP payload; 0 for anything else. */
  readonly payloadBytes: number
}

export interface Shape {
  readonly bytesPerSecond: number
  /** How many bytes may wait; what comes on top is dropped. */
  readonly queueBytes: number
}

/**
 * Two machines and a router between them, in network namespaces of their own: near (10.98.1.2) – road – far (10.98.2.2).
 * Interfaces are called `wire`, have no offloads and no IPv6, and know their neighbours, so that counters show exactly
 * what programs caused, packet by packet. All of it goes away when disposed of, and at the end of the process.
 */
export interface WireNetwork extends AsyncDisposable {
  readonly address: { readonly near: string, readonly far: string }
  /** The command line that runs a program on that side. */
  argv(side: Side, argv: readonly string[]): readonly [string, ...string[]]
  /** Runs a program there and returns what it printed; throws when it fails. */
  exec(side: Side, argv: readonly string[]): Promise<string>
  /** Starts a program there, which is ended when the network is disposed of. */
  spawn(side: Side, argv: readonly string[], options?: SpawnOptions): ChildProcess
  counters(side: 'near' | 'far'): Promise<Counters>
  /** Drops this share of the packets on the road, 0 to 100, in both directions: at random, or every so many. */
  setLoss(percent: number, which?: 'random' | 'regular'): Promise<void>
  /**
   * A slow line. `up` and `down` lie on the road; `shared` too, one queue for both directions, as on a radio channel;
   * `near` is the machine's own interface, where the kernel knows how much waits. Undefined: all as fast as it goes.
   */
  setRate(lines?: { readonly [line in 'up' | 'down' | 'shared' | 'near']?: Shape }): Promise<void>
  /** Cuts the road, or mends it: packets vanish, nobody is told. */
  setCut(isCut: boolean): Promise<void>
  /** How TCP of both ends finds its pace, for connections from now on: `cubic`, `bbr`, `reno`. */
  setCongestion(algorithm: string): Promise<void>
  /** Watches packets from now on. */
  capture(side: 'near' | 'far'): Promise<Capture>
}

export interface Capture {
  /** Ends the capture and returns what passed, in order. */
  stop(): Promise<Packet[]>
}

const programs = ['ip', 'tc', 'ss', 'nft', 'ethtool', 'python3']
const run = promisify(execFile)

/** Why there can be no such network here, or undefined. */
export function whyNoWireNetwork(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0)
  if (missing.length > 0) return `needs ${missing.join(', ')}`
  return spawnSync('unshare', ['--net', 'true']).status === 0 ? undefined : 'needs network namespaces'
}

let count = 0

export async function startWireNetwork(): Promise<WireNetwork> {
  await removeLeftovers()
  const prefix = `sluice-w${process.pid}-${++count}`
  const nameOf = (side: Side) => `${prefix}-${side}`
  const children = new Set<ChildProcess>()
  const removeNow = () => {
    for (const child of children) child.kill('SIGKILL')
    for (const side of sides) spawnSync('ip', ['netns', 'del', nameOf(side)])
  }
  process.once('exit', removeNow)
  const remove = async () => {
    await Promise.all([...children].map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    }))
    process.removeListener('exit', removeNow)
    removeNow()
  }
  const argv = (side: Side, command: readonly string[]) => ['ip', 'netns', 'exec', nameOf(side), ...command] as const
  const exec = async (side: Side, command: readonly string[]) => {
    const [program, ...args] = argv(side, command)
    return (await run(program, args)).stdout
  }
  const start = (side: Side, command: readonly string[], options: SpawnOptions = {}) => {
    const [program, ...args] = argv(side, command)
    const child = spawn(program, args, options)
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const shell = (side: Side, script: string) => exec(side, ['sh', '-e', '-c', script])
  try {
    await run('sh', ['-e', '-c', layCables(nameOf)])
    await Promise.all(sides.map((side) => shell(side, prepare[side])))
  } catch (error) {
    await remove()
    throw error
  }
  return {
    address: addresses,
    argv, exec,
    spawn: start,
    counters: async (side) => readCounters(await exec(side, ['ip', '-j', '-s', 'link', 'show', 'dev', 'wire'])),
    setLoss: async (percent, which = 'random') => {
      const lost = which === 'random' ? `random mod 1000 '<' ${Math.round(percent * 10)}` : `inc mod ${Math.round(100 / percent)} 0`
      await shell('road', `nft flush chain ip road forward\n${percent > 0 ? `nft add rule ip road forward numgen ${lost} drop` : ''}`)
    },
    setCut: async (isCut) => { await shell('road', `nft flush chain ip road forward\n${isCut ? 'nft add rule ip road forward drop' : ''}`) },
    setRate: async (lines = {}) => {
      await shell('road', unshape + shape('far', lines.up) + shape('near', lines.down) + (lines.shared ? share(lines.shared) : ''))
      await shell('near', `tc qdisc del dev wire root 2>/dev/null || true\n${shape('wire', lines.near)}`)
    },
    setCongestion: async (algorithm) => {
      // By route: a namespace may not set its default to what the machine restricts.
      await Promise.all((['near', 'far'] as const).map((side) =>
        exec(side, ['ip', 'route', 'change', 'default', 'via', gateways[side], 'congctl', algorithm])))
    },
    capture: (side) => startCapture(start(side, captureArgv('wire'), { stdio: ['pipe', 'pipe', 'inherit'] })),
    [Symbol.asyncDispose]: remove,
  }
}

/** Of processes that were killed and could not clean up. */
async function removeLeftovers(): Promise<void> {
  for (const line of (await run('ip', ['netns', 'list'])).stdout.split('\n')) {
    const match = /^(sluice-w(\d+)-\S+)/.exec(line)
    if (match?.[1] && !existsSync(`/proc/${match[2]}`)) await run('ip', ['netns', 'del', match[1]]).catch(() => undefined)
  }
}

const sides = ['near', 'road', 'far'] as const
const gateways = { near: '10.98.1.1', far: '10.98.2.1' }
const addresses = { near: '10.98.1.2', far: '10.98.2.2' }
/** Set by hand, so that nobody has to ask for them. */
const mac = { near: '02:00:00:00:01:02', roadNear: '02:00:00:00:01:01', far: '02:00:00:00:02:02', roadFar: '02:00:00:00:02:01' }

function layCables(nameOf: (side: Side) => string): string {
  return `
    for side in ${sides.map(nameOf).join(' ')}; do
      ip netns add $side
      ip netns exec $side sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6'
      ip -n $side link set lo up
    done
    ip -n ${nameOf('road')} link add near address ${mac.roadNear} type veth peer name wire address ${mac.near} netns ${nameOf('near')}
    ip -n ${nameOf('road')} link add far address ${mac.roadFar} type veth peer name wire address ${mac.far} netns ${nameOf('far')}`
}

function prepareEnd(network: number, own: string, neighbour: string): string {
  return `
    ip addr add ${own}/24 dev wire
    ip link set wire up
    ip neigh add 10.98.${network}.1 lladdr ${neighbour} dev wire nud permanent
    ip route add default via 10.98.${network}.1
    ${withoutOffloads('wire')}`
}

function withoutOffloads(device: string): string {
  return `ethtool -K ${device} tso off gso off gro off tx off >/dev/null\n`
}

const prepare: Readonly<Record<Side, string>> = {
  near: prepareEnd(1, addresses.near, mac.roadNear),
  far: prepareEnd(2, addresses.far, mac.roadFar),
  road: `
    ip addr add 10.98.1.1/24 dev near
    ip addr add 10.98.2.1/24 dev far
    ip link set near up
    ip link set far up
    ip neigh add ${addresses.near} lladdr ${mac.near} dev near nud permanent
    ip neigh add ${addresses.far} lladdr ${mac.far} dev far nud permanent
    echo 1 > /proc/sys/net/ipv4/ip_forward
    ${withoutOffloads('near')} ${withoutOffloads('far')}
    nft add table ip road
    nft add chain ip road forward '{ type filter hook forward priority 0; }'`,
}

const unshape = `
  for device in near far; do
    tc qdisc del dev $device root 2>/dev/null || true
    tc qdisc del dev $device ingress 2>/dev/null || true
  done
  ip link del both 2>/dev/null || true
`

/** Two packets may pass at once; the rest waits. */
function shape(device: string, shaping: Shape | undefined): string {
  if (!shaping) return ''
  const { bytesPerSecond, queueBytes } = shaping
  return `tc qdisc add dev ${device} root tbf rate ${bytesPerSecond * 8}bit burst 3200 limit ${queueBytes}\n`
}

function share(shaping: Shape): string {
  const redirect = ['near', 'far'].map((device) => `
    tc qdisc add dev ${device} ingress
    tc filter add dev ${device} parent ffff: protocol ip u32 match u32 0 0 action mirred egress redirect dev both`)
  return `ip link add both type ifb\nip link set both up\n${shape('both', shaping)}${redirect.join('')}\n`
}

function readCounters(json: string): Counters {
  const [link] = JSON.parse(json) as [{ stats64: { rx: { bytes: number }, tx: { bytes: number } } }]
  return { outBytes: link.stats64.tx.bytes, inBytes: link.stats64.rx.bytes }
}

/** The command that watches an interface, for `startCapture`. */
export function captureArgv(device: string): readonly string[] {
  return ['python3', fileURLToPath(new URL('packets.py', import.meta.url)), device]
}

export async function startCapture(child: ChildProcess): Promise<Capture> {
  if (!child.stdout || !child.stdin) throw new Error('a capture needs pipes')
  const lines: string[] = []
  const ready = Promise.withResolvers<undefined>()
  const output = createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === 'ready') ready.resolve(undefined)
    else lines.push(line)
  })
  const ended = once(output, 'close')
  void ended.then(() => { ready.reject(new Error('the capture ended before it began')) })
  await ready.promise
  return {
    stop: async () => {
      child.stdin?.end()
      await ended
      return lines.map((line) => {
        const [at, direction, bytes, payloadBytes] = line.split(' ')
        return { at: Number(at), direction: direction === 'out' ? 'out' : 'in', bytes: Number(bytes), payloadBytes: Number(payloadBytes) }
      })
    },
  }
}
