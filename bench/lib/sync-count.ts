import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** Why disk syncs cannot be counted here; undefined where they can. */
export function whyNoSyncCount(): string | undefined {
  const [program = '', ...args] = countingSyncs(['/bin/true'], '/dev/null')
  const { status, error } = spawnSync(program, args)
  if (error) return 'apt-get install strace'
  return status === 0 ? undefined : 'strace may not trace here'
}

/** Runs a command under strace, which stops it at disk syncs alone; the log has a line for each. */
export function countingSyncs(argv: readonly string[], log: string): string[] {
  const what = ['-e', 'trace=fsync,fdatasync', '-e', 'signal=none']
  return ['strace', '-f', '-qq', '--seccomp-bpf', ...what, '-o', log, '--', ...argv]
}

/** Disk syncs so far. */
export function countSyncs(log: string): number {
  return existsSync(log) ? readFileSync(log, 'utf8').match(/\bf(data)?sync\(/g)?.length ?? 0 : 0
}
