import { expect, test, vi } from 'vitest'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { temporaryFolder } from '../temporary-folder.ts'

vi.mock('node:fs/promises', async (importOriginal) => ({
  ...await importOriginal<typeof import('node:fs/promises')>(),
  link: async () => { throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' }) },
}))

test('a folder on a file system without hard links is refused in words', async () => {
  const opened = openFolderStore(await temporaryFolder(), realDisk, Date.now)
  await expect(opened).rejects.toMatchObject({ code: 'state-unusable', message: expect.stringContaining('no hard links (EPERM)') as string })
})
