import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { describeCollectorStore } from '../suites/collector-store.ts'
import { contentOf } from '../transfer/packs.ts'

describeCollectorStore('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  const root = join(folder, 'packs')
  const reopen = () => openFolderStore(root, realDisk, Date.now)
  const written = folderDestination(pathToFileURL(root).href, realDisk)
  return {
    store: await reopen(),
    reopen,
    list: (device) => written.list(device),
    content: (name) => contentOf(written, name),
    remove: () => rm(folder, { recursive: true }),
  }
})

test('a folder whose parent is missing is refused in words', async () => {
  const opened = openFolderStore('/nowhere/at/all', realDisk, Date.now)
  await expect(opened).rejects.toMatchObject({ code: 'state-unusable', message: expect.stringContaining('mounted') as string })
})
