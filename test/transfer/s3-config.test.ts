import { expect, test } from 'vitest'
import { parseConfig } from '../../config/parse.ts'
import type { Environment } from '../../config/schema.ts'

const environment: Environment = { home: '/home/eve', hostname: 'laptop', timeZone: 'UTC', cwd: '/etc/sluice' }

function parse(s3: string, destination = 's3://packs/some/where/?endpoint=https://Store.example.com&region=eu-west-1') {
  const stream = '{ name: notes, path: /data/notes, purpose: research, files: append }'
  return parseConfig(`destination: ${destination}\nstreams: [${stream}]\ns3: ${s3}\n`, 'sluice.yaml', environment)
}

test('a store is named by its address, and by what the address leaves out', () => {
  const { config } = parse('{ region: eu-central-1, endpoint: "https://Store.example.com/", style: path, profile: work, credentialsFile: keys, partSize: 8 MiB }')
  expect(config.destination).toBe('s3://packs/some/where?endpoint=https://store.example.com&region=eu-west-1')
  expect(config.s3).toEqual({
    region: 'eu-central-1', endpoint: 'https://store.example.com', style: 'path', profile: 'work', credentialsFile: '/etc/sluice/keys', partBytes: 8 << 20,
  })
})

test('what a credential process is given is not shown', () => {
  const { config, origins } = parse('{ credentialProcess: \'"/opt/my keys" --password secret\' }')
  expect(config.s3.credentialProcess).toBe('"/opt/my keys" --password secret')
  expect(origins.get('s3.credentialProcess')?.value).toBe('"/opt/my keys" …')
  expect(JSON.stringify([...origins])).not.toContain('secret')
})

test.each([
  ['{ endpoint: http://store.example.com }', /https:\/\/host/], ['{ endpoint: https://me:secret@store.example.com }', /https:\/\/host/],
  ['{ region: "eu west" }', /region/], ['{ style: both }', /path, virtual/], ['{ partSize: 1 MiB }', /from 5\.2 MB/], ['{ partSize: 1 GiB }', /to 67\.1 MB/],
  ['{ secretAccessKey: x }', /unknown key/],
])('%s is refused', (s3, words) => {
  expect(() => parse(s3)).toThrow(words)
})
