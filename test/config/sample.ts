import type { Environment } from '../../config/schema.ts'

export const environment: Environment = { home: '/home/eve', hostname: 'Eve’s Laptop.local', timeZone: 'UTC', cwd: '/etc/sluice' }

/** A valid config in as few lines as there can be. */
export const smallest = `streams:
  - name: notes
    path: /data/notes
    purpose: research
    files: append
destination: file:///mnt/out
`
