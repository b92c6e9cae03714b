import type { Server } from 'node:http'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, chownSync, lstatSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { SluiceError, systemCode } from '../observe/error.ts'

/** What fits the kernel's address of a socket besides the NUL at its end: unix(7), and the BSDs' 104 bytes. */
const maxPathBytes = process.platform === 'linux' ? 107 : 103

/** Where a service of this state folder listens: `control.sock` in it; on Windows a pipe named after the folder. */
export function controlPath(stateFolder: string): string {
  if (process.platform !== 'win32') return join(stateFolder, 'control.sock')
  return `\\\\.\\pipe\\sluice-${createHash('sha256').update(resolve(stateFolder).toLowerCase()).digest('hex').slice(0, 32)}`
}

/**
 * Lets `server` listen for programs of the same user alone, in place of a socket that a crash has left. Returns what removes
 * the socket. Throws `state-locked` when somebody answers there, and `state-unusable`.
 */
export async function listenPrivately(server: Server, stateFolder: string): Promise<() => void> {
  const path = controlPath(stateFolder)
  const isPipe = process.platform === 'win32'
  if (!isPipe && Buffer.byteLength(path) > maxPathBytes) {
    throw new SluiceError('state-unusable', `The path of the control socket ${path} is longer than the ${maxPathBytes} bytes that the system allows. Choose a state folder with a shorter path.`)
  }
  if (await isAnswered(path)) throw new SluiceError('state-locked', `Another service answers on ${path}.`)
  try {
    if (isPipe) {
      await listen(server, path)
      return () => undefined
    }
    // Under its own name it appears with its mode set, and a client never meets an unfinished one.
    const made = join(stateFolder, 'control.new')
    removeSocket(made)
    await listen(server, made)
    chmodSync(made, 0o600)
    const { ino } = lstatSync(made)
    removeSocket(path)
    renameSync(made, path)
    return () => {
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true })
    }
  } catch (error) {
    server.close()
    if (error instanceof SluiceError) throw error
    throw new SluiceError('state-unusable', `Cannot listen on ${path} (${systemCode(error)}). Check the folder and its permissions.`, { cause: error })
  }
}

/**
 * Lets `server` listen at `path` for the members of a group too, in place of a socket that a crash has left. Nobody else can
 * reach it at any moment. Returns what removes the socket. Throws `state-locked` when somebody answers there, and `state-unusable`.
 */
export async function listenForGroup(server: Server, path: string, groupId: number): Promise<() => void> {
  if (await isAnswered(path)) throw new SluiceError('state-locked', `Another service answers on ${path}.`)
  try {
    // Until its owner and mode are set it lies where nobody else can look.
    const hidden = mkdtempSync(join(dirname(path), '.new-'))
    const made = join(hidden, 's')
    try {
      await listen(server, made)
      chownSync(made, process.geteuid?.() ?? 0, groupId)
      chmodSync(made, 0o660)
      const { ino } = lstatSync(made)
      removeSocket(path)
      renameSync(made, path)
      return () => {
        if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true })
      }
    } finally {
      rmSync(hidden, { recursive: true, force: true })
    }
  } catch (error) {
    server.close()
    if (error instanceof SluiceError) throw error
    throw new SluiceError('state-unusable', `Cannot listen on ${path} for group ${groupId} (${systemCode(error)}). `
      + 'The folder has to belong to the service’s user, who has to be a member of the group.', { cause: error })
  }
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path)
  await once(server, 'listening')
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function removeSocket(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats) return
  if (!stats.isSocket()) throw new SluiceError('state-unusable', `${path} is in the way: it is no socket. Remove it.`)
  rmSync(path)
}
