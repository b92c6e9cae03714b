/** What capture tools see of a running service's pause: a file, and an event on the socket. */
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makePlace, sluice, Sluice, type Place } from './harness.ts'

/** The states of the pause as they are told, the first at once. */
async function* told(place: Place): AsyncGenerator<{ paused: boolean; captures?: string }> {
  const asked = request({ socketPath: join(place.state, 'control.sock'), path: '/v1/events' })
  onTestFinished(() => void asked.destroy())
  const answer = await new Promise<AsyncIterable<Buffer>>((resolve, reject) => {
    asked.once('response', resolve).once('error', reject).end()
  })
  let text = ''
  for await (const part of answer) {
    text += part.toString()
    const whole = text.split('\n\n')
    text = whole.pop() ?? ''
    for (const event of whole) {
      const data = /^event: pause\ndata: (.*)$/m.exec(event)?.[1]
      if (data !== undefined) yield JSON.parse(data) as { paused: boolean }
    }
  }
}

test('a pause and its end are told to whoever listens, and stand in a file', async () => {
  const place = await makePlace()
  const service = new Sluice('run', '--json', '--config', place.configFile)
  await service.event(({ event }) => event === 'service.started')
  const inFile = () => JSON.parse(readFileSync(join(place.state, 'paused.json'), 'utf8')) as { paused: boolean; captures?: string }
  const states = told(place)
  expect((await states.next()).value).toMatchObject({ version: 1, paused: false })
  await sluice('pause', '30m', '--drop', '--config', place.configFile)
  expect((await states.next()).value).toMatchObject({ paused: true, captures: 'drop' })
  expect(inFile()).toMatchObject({ paused: true, captures: 'drop' })
  await sluice('resume', '--config', place.configFile)
  expect((await states.next()).value).toMatchObject({ paused: false })
  expect(inFile()).toMatchObject({ paused: false })
})

test('a pause is in the file also when no service runs', async () => {
  const place = await makePlace()
  await sluice('pause', '30m', '--config', place.configFile)
  expect(JSON.parse(readFileSync(join(place.state, 'paused.json'), 'utf8'))).toMatchObject({ paused: true, captures: 'hold' })
})
