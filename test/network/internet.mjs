// What a machine finds where it looks for the internet:  node internet.mjs FILE
// FILE says open (what NetworkManager expects), portal (a redirect to a login page) or broken (connections are cut).
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import process from 'node:process'

createServer((request, response) => {
  const state = readFileSync(process.argv[2], 'utf8').trim()
  if (state === 'broken') request.socket.destroy()
  else if (state === 'portal') response.writeHead(302, { location: 'http://login.example/' }).end()
  else response.end('NetworkManager is online\n')
}).listen(80, '10.99.0.1')
