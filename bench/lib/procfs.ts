import { readdirSync, readFileSync } from 'node:fs'
import { statFields } from './measure.ts'

/** What a running process and its living descendants have used since they started. */
export interface ProcessReading {
  /** utime + stime of /proc/PID/stat, threads that ended included; steps of 10 ms. */
  readonly cpuMs: number
  /** On-CPU time of the threads alive now, from /proc/PID/task/TID/schedstat; to the microsecond. */
  readonly threadCpuMs: number
  /** Voluntary and involuntary context switches of the threads alive now. */
  readonly contextSwitches: number
  /** The voluntary ones: how often a thread that had nothing to do was woken. */
  readonly wakeUps: number
  readonly rssBytes: number
  /** The largest resident set that any one of them had so far. */
  readonly peakRssBytes: number
  /** The sum of all their largest ones, which is at least what they had at a time. */
  readonly summedPeakRssBytes: number
  /** The process first, then its descendants. */
  readonly pids: readonly number[]
  readonly threads: number
}

/** Reads a process and its living descendants. Throws ENOENT when the process is gone. */
export function readProcess(pid: number): ProcessReading {
  const pids = withDescendants(pid)
  const threads = pids.flatMap((each) => threadFolders(each))
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const memoryBytes = (pid: number, key: string): number => statusNumber(readFileSync(`/proc/${pid}/status`, 'utf8'), key) * 1024
  return {
    cpuMs: sum(pids.map((each) => cpuMs(each))),
    threadCpuMs: sum(threads.map((thread) => Number(readFileSync(`${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6)),
    contextSwitches: sum(threads.map((thread) => contextSwitches(readFileSync(`${thread}/status`, 'utf8')))),
    wakeUps: sum(threads.map((thread) => statusNumber(readFileSync(`${thread}/status`, 'utf8'), 'voluntary_ctxt_switches'))),
    rssBytes: sum(pids.map((each) => memoryBytes(each, 'VmRSS'))),
    peakRssBytes: Math.max(...pids.map((each) => memoryBytes(each, 'VmHWM'))),
    summedPeakRssBytes: sum(pids.map((each) => memoryBytes(each, 'VmHWM'))),
    pids,
    threads: threads.length,
  }
}

function withDescendants(pid: number): number[] {
  const children = threadFolders(pid)
    .flatMap((thread) => readFileSync(`${thread}/children`, 'utf8').trim().split(' '))
    .filter((text) => text !== '')
    .map(Number)
  return [pid, ...children.flatMap((child) => withDescendants(child))]
}

function threadFolders(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`)
}

function cpuMs(pid: number): number {
  const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Sum of both kinds of context switches in the text of a /proc status file. */
export function contextSwitches(status: string): number {
  return statusNumber(status, 'voluntary_ctxt_switches') + statusNumber(status, 'nonvoluntary_ctxt_switches')
}

function statusNumber(status: string, key: string): number {
  const line = status.split('\n').find((each) => each.startsWith(`${key}:`))
  return Number(/\d+/.exec(line ?? '')?.[0] ?? 0)
}
