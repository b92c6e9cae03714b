import { get } from 'node:http'

/**
 * Somebody else's download: `downloader.ts URL SKIP SECONDS`. Prints the bytes a second that came in, over SECONDS after
 * the first SKIP seconds.
 */
const [url = '', skip = '0', seconds = '1'] = process.argv.slice(2)
let bytes = 0
get(url, (response) => {
  response.on('data', (block: Buffer) => { bytes += block.length })
  setTimeout(() => {
    const [before, start] = [bytes, performance.now()]
    setTimeout(() => {
      process.stdout.write(`${(bytes - before) / (performance.now() - start) * 1000}\n`)
      process.exit()
    }, Number(seconds) * 1000)
  }, Number(skip) * 1000)
})
