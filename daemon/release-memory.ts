import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { readonly type: 'major'; readonly execution: 'sync'; readonly flavor: 'last-resort' }) => void

let collect: Collect | undefined

/**
 * Gives memory back to the system when the service has nothing to do. V8 keeps what a burst of work took until it needs to
 * collect again, which an idle service never does: measured 173 MB before and 103 MB after, with 10,000 files watched.
 */
export function releaseMemory(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as Collect
  }
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
