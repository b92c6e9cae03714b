import { closeSync, openSync } from 'node:fs'
import { createProgress, folded } from './output.ts'
import type { Io } from './output.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * A second Ctrl-C ends the process at once, unless it comes this soon: a launcher forwards the signal that the terminal
 * has already sent to both.
 */
const impatienceMs = 1000

/** The real terminal and process. */
export function processIo(): Io {
  let controller: AbortController | undefined
  const hangups = new Set<() => void>()
  return {
    // Made on first use, so that a command that does not ask for it ends at once as any program does.
    get signal() {
      controller ??= listen(hangups)
      return controller.signal
    },
    onHangup(call) {
      if (!hasTerminal()) hangups.add(call)
      return { [Symbol.dispose]: () => { hangups.delete(call) } }
    },
    now: Date.now,
    result(json, value, lines) {
      process.stdout.write(json ? `${JSON.stringify(value)}\n` : lines.map((line) => `${line}\n`).join(''))
    },
    note: (text) => { process.stderr.write(folded(text).map((line) => `${line}\n`).join('')) },
    log: (line) => { process.stderr.write(`${line}\n`) },
    ask,
    askSecret,
    progress: () => createProgress(process.stderr, Date.now),
    exit: (code) => { process.exitCode = code },
  }
}

/** Anything but a clear yes is a no; so is Ctrl-C, and the end of the input. */
async function ask(question: string): Promise<boolean | undefined> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined
  const { createInterface } = await import('node:readline/promises')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const { promise: ended, resolve } = Promise.withResolvers<string>()
  terminal.on('close', () => { resolve('') }).on('SIGINT', () => { terminal.close() })
  try {
    return /^y(es)?$/i.test((await Promise.race([terminal.question(`${question} [y/N] `).catch(() => ''), ended])).trim())
  } finally {
    terminal.close()
  }
}

/** Most of stdin that is taken for a secret. */
const mostSecretCharacters = 4096

async function askSecret(question: string): Promise<string | undefined> {
  process.stdin.setEncoding('utf8')
  if (!process.stdin.isTTY) {
    let text = ''
    for await (const part of process.stdin) {
      text += String(part)
      if (text.length > mostSecretCharacters) break
    }
    return text
  }
  process.stdin.setRawMode(true) // first: what is typed ahead would be shown
  process.stderr.write(`${question}: `)
  try {
    return await typed()
  } finally {
    process.stdin.setRawMode(false).pause()
    process.stderr.write('\n')
  }
}

/** What is typed up to Enter; undefined after Ctrl-C or Ctrl-D. */
async function typed(): Promise<string | undefined> {
  let text = ''
  for await (const part of process.stdin) {
    for (const key of String(part)) {
      if (key === '\r' || key === '\n') return text
      if (key === '\u0003' || key === '\u0004') return undefined
      text = key === '\u007f' || key === '\b' ? text.slice(0, -1) : text + key
      if (text.length > mostSecretCharacters) return text
    }
  }
  return text
}

/** Whether a terminal controls this process, wherever its output goes. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  }
}

function listen(hangups: ReadonlySet<() => void>): AbortController {
  const controller = new AbortController()
  let since: number | undefined
  for (const signal of signals) {
    process.on(signal, () => {
      if (signal === 'SIGHUP' && hangups.size > 0) {
        for (const call of hangups) call()
        return
      }
      if (since !== undefined && Date.now() - since > impatienceMs) process.exit(signalExitCode(signal))
      since ??= Date.now()
      controller.abort(signal)
    })
  }
  return controller
}

/** 128 + the signal's number, as a shell reports it. */
export function signalExitCode(signal: unknown): number {
  return signal === 'SIGINT' ? 130 : signal === 'SIGHUP' ? 129 : 143
}
