import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Plays systemd's side of sd_notify: prints each message on a line, and closes what `systemd-notify` waits for. */
const listener = `
import array, os, socket, sys
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind(sys.argv[1])
print('listening', flush=True)
while True:
    data, ancillary, _, _ = ear.recvmsg(65536, socket.CMSG_SPACE(64))
    for level, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            for fd in array.array('i', content): os.close(fd)
    if data and data != b'BARRIER=1': print(data.decode().replace('\\n', '|'), flush=True)
`

export const canHear = existsSync('/usr/bin/systemd-notify') && spawnSync('python3', ['-c', 'import socket']).status === 0

export interface Ear {
  readonly socket: string
  readonly heard: readonly string[]
  /** Resolves when so many messages that match were heard. */
  until(pattern: RegExp, times?: number): Promise<void>
}

/** Listens in a folder until the test ends. */
export async function listenAsSystemd(folder: string): Promise<Ear> {
  const socket = join(folder, 'notify')
  const child = spawn('python3', ['-c', listener, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill())
  const heard: string[] = []
  let tell: () => void = () => {}
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    heard.push(...lines)
    tell()
  })
  const until = async (pattern: RegExp, times = 1): Promise<void> => {
    while (heard.filter((line) => pattern.test(line)).length < times) await new Promise<void>((resolve) => { tell = resolve })
  }
  await until(/^listening$/)
  return { socket, heard, until }
}
