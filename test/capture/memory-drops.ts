import { DatabaseSync } from 'node:sqlite'
import { Drops, dropSchema } from '../../src/journal/drops.ts'

/** The journal's part in dropping, in a database of its own in memory. */
export function memoryDrops(): Drops {
  const db = new DatabaseSync(':memory:')
  db.exec(dropSchema)
  const guarded = <T>(work: () => T): T => work()
  const transaction = <T>(work: () => T): T => {
    db.exec('BEGIN')
    try {
      const result = work()
      db.exec('COMMIT')
      return result
    } catch (error) {
      db.exec('ROLLBACK')
      throw error
    }
  }
  return new Drops({ db, guarded, transaction })
}
