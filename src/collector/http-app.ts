import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import rateLimit from '@fastify/rate-limit'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { SluiceError } from '../observe/error.ts'
import type { EmitCollector } from '../observe/collector-events.ts'
import { isDeviceName } from '../pack/header.ts'
import type { Accounts } from './accounts.ts'
import { Body } from './body.ts'
import type { CollectorLimits } from './limits.ts'
import type { Direct } from './direct.ts'
import { Patience } from './patience.ts'
import { certificateNames } from './peer-certificate.ts'
import { Refusal } from './refusal.ts'
import { parseAuthorization, type Credential } from './secrets.ts'
import type { CollectorStore } from './store.ts'
import type { TusAnswer, TusRequest } from './tus-handler.ts'
import { maxIdCharacters } from './upload-id.ts'

export interface AppOptions {
  readonly server: HttpServer
  readonly store: CollectorStore
  readonly accounts: Accounts
  readonly tus: (request: TusRequest) => Promise<TusAnswer>
  /** Without it devices put nothing into the store by themselves. */
  readonly direct?: Direct
  readonly limits: CollectorLimits
  /** Whether what a proxy says of the peer is believed. */
  readonly behindProxy: boolean
  /** Whether devices show certificates of their own. */
  readonly clientCertificates: boolean
  readonly emit: EmitCollector
  readonly isStopping: () => boolean
}

/** Largest body of a request that carries no pack. */
const maxJsonBytes = 4 << 10
/** How long what an early answer left unread is read and dropped, so that the answer arrives before the connection ends. */
const lingerMs = 5000
const healthMs = 1000

/** The collector's HTTP interface: docs/collector-api.md. */
export async function collectorApp(options: AppOptions): Promise<FastifyInstance> {
  const { server, behindProxy, emit } = options
  const app = fastify({
    serverFactory: (handler) => server.on('request', handler),
    trustProxy: behindProxy && ((_address, hop) => hop === 0), // what the proxy adds: all before it is the client's word
    bodyLimit: maxJsonBytes,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: maxIdCharacters },
    clientErrorHandler: (error, socket) => { answerUnreadable(error, socket, emit) },
    frameworkErrors: (error, request, reply) => { answer(error, request, reply, emit) },
  })
  await app.register(rateLimit, { global: false })
  // tus names the type; the body itself is read where the upload is.
  app.addContentTypeParser('application/offset+octet-stream', (_request, _payload, done) => { done(null) })
  app.setErrorHandler((error, request, reply) => { answer(error, request, reply, emit) })
  app.setNotFoundHandler((request, reply) => {
    answer(new Refusal('unknown-address', 'There is nothing at this address, or not for this method.'), request, reply, emit)
  })
  const patience = new Patience(options.limits.bodyMs)
  app.addHook('onRequest', admission(app, options, patience))
  addDeviceRoutes(app, options)
  addTusRoutes(app, options, patience)
  if (options.direct) addDirectRoutes(app, options, options.direct)
  await app.ready()
  return app
}

/** What is asked of every request, whatever it wants. */
function admission(app: FastifyInstance, { limits, behindProxy, isStopping }: AppOptions, patience: Patience) {
  const perAddress = app.createRateLimit({ max: limits.requestsPerMinutePerAddress, timeWindow: 60_000, ipv6Subnet: 64 })
  return async (request: FastifyRequest): Promise<void> => {
    patience.watch(request.raw)
    if (isStopping()) throw new Refusal('stopping', 'The collector is stopping.', { retryAfterSeconds: 5 })
    if (request.url === '/health') return
    if (behindProxy && !cameByTls(request.headers['x-forwarded-proto'])) {
      throw new Refusal('forbidden', 'The collector is reached by https only.')
    }
    throwIfLimited(await perAddress(request))
  }
}

/** Whether each hop that a proxy tells of was TLS. Where none tells, it is the proxy's own business. */
function cameByTls(told: string | readonly string[] | undefined): boolean {
  return told === undefined || String(told).split(',').every((hop) => hop.trim().toLowerCase() === 'https')
}

function throwIfLimited(limit: Awaited<ReturnType<ReturnType<FastifyInstance['createRateLimit']>>>): void {
  if (limit.isAllowed || !limit.isExceeded) return
  throw new Refusal('rate-limited', 'Too many requests within a minute.', { retryAfterSeconds: Math.max(1, limit.ttlInSeconds) })
}

/** Finds out which device asks, by its credential. */
function authentication(app: FastifyInstance, { accounts, limits, clientCertificates }: AppOptions) {
  const devices = new WeakMap<FastifyRequest, string>()
  const perDevice = app.createRateLimit({
    max: limits.requestsPerMinutePerDevice, timeWindow: 60_000, keyGenerator: (request) => devices.get(request) ?? '',
  })
  return async (request: FastifyRequest): Promise<Credential> => {
    const credential = parseAuthorization(request.headers.authorization)
    if (!credential) throw new Refusal('credential-refused', 'There is no credential, or it is not one that is accepted here.')
    if (clientCertificates) checkCertificate(request, credential.device)
    await accounts.verify(credential)
    devices.set(request, credential.device)
    throwIfLimited(await perDevice(request))
    await accounts.note(credential.device)
    return credential
  }
}

function checkCertificate(request: FastifyRequest, device: string): void {
  if (certificateNames(request.raw.socket).includes(device)) return
  throw new Refusal('credential-refused', 'The certificate of this connection is not that of the device.')
}

function addDeviceRoutes(app: FastifyInstance, options: AppOptions): void {
  const { store, accounts, clientCertificates, emit } = options
  const authenticate = authentication(app, options)
  let checked = { at: -Infinity, result: Promise.resolve() }

  app.get('/health', async (_request, reply) => {
    if (performance.now() - checked.at > healthMs) checked = { at: performance.now(), result: store.check() }
    await checked.result
    return reply.send({ status: 'ok' })
  })

  app.post('/enrol', async (request, reply) => {
    const { device, token } = enrolment(request.body)
    if (clientCertificates) checkCertificate(request, device)
    const { credential, again } = await accounts.enrol(device, token)
    emit({ event: 'device.enrolled', device, again })
    return reply.code(201).header('cache-control', 'no-store').send({ device, credential })
  })

  app.get<{ Params: { device: string } }>('/logs/:device/head', async (request, reply) => {
    const asking = await authenticate(request)
    if (request.params.device !== asking.device) throw new Refusal('forbidden', 'A device asks for its own log only.')
    const head = await store.head(asking.device)
    reply.header('cache-control', 'no-store')
    return head ? reply.send({ seq: head.seq, hash: head.hash }) : reply.code(204).send()
  })
}

function enrolment(body: unknown): { readonly device: string; readonly token: string } {
  const { device, token } = (typeof body === 'object' && body !== null ? body : {}) as Readonly<Record<string, unknown>>
  if (typeof device !== 'string' || !isDeviceName(device) || typeof token !== 'string') {
    throw new Refusal('request-invalid', 'Enrolling takes { "device": "a name", "token": "…" }.')
  }
  return { device, token }
}

function addTusRoutes(app: FastifyInstance, options: AppOptions, patience: Patience): void {
  const { tus, accounts, limits } = options
  const authenticate = authentication(app, options)

  const ask = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const method = request.method as TusRequest['method']
    let credential: Credential | undefined
    const body = method === 'PATCH'
      ? new Body(request.raw, {
          periodMs: limits.bodyMs, leastBytes: limits.slowBodyBytes,
          recheckMs: limits.credentialMs, recheck: async () => { if (credential) await accounts.verify(credential) },
        })
      : undefined
    const { id } = request.params as { readonly id?: string }
    try {
      if (method !== 'OPTIONS') credential = await authenticate(request)
      if (body) patience.leave(request.raw)
      const { status, headers } = await tus({
        method, headers: request.headers, ...(credential && { device: credential.device }), ...(id !== undefined && { id }), ...(body && { body }),
      })
      linger(request.raw)
      return await reply.code(status).headers(headers).send()
    } finally {
      body?.end()
    }
  }
  app.route({ method: ['POST', 'OPTIONS'], url: '/', handler: ask })
  app.route({ method: ['HEAD', 'PATCH', 'DELETE', 'OPTIONS'], url: '/uploads/:id', handler: ask })
}

function addDirectRoutes(app: FastifyInstance, options: AppOptions, direct: Direct): void {
  const authenticate = authentication(app, options)

  app.post('/direct', async (request, reply) => {
    const { device } = await authenticate(request)
    const { status, location, json } = await direct.begin(device, request.body)
    return reply.code(status).headers({ location, 'cache-control': 'no-store' }).send(json)
  })

  app.post('/direct/commit', async (request, reply) => {
    const { device } = await authenticate(request)
    await direct.commit(device, request.body)
    return reply.code(204).send()
  })
}

/** Ends a connection whose sender goes on with a body that nobody wants any more. */
function linger(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  request.resume()
  // Of a request that was answered, Node does not tell when its connection is cut: a timer must not keep a collector that stops.
  const timer = setTimeout(() => { request.socket.destroy() }, lingerMs).unref()
  request.once('end', () => { clearTimeout(timer) }).once('close', () => { clearTimeout(timer) })
}

function answer(error: unknown, request: FastifyRequest, reply: FastifyReply, emit: EmitCollector): void {
  const refusal = refusalFor(error)
  const device = parseAuthorization(request.headers.authorization)?.device
  const facts = { code: refusal.code, address: request.ip, ...(device !== undefined && { device }) }
  if (refusal.code === 'failed' || refusal.code === 'store-unreachable') {
    emit({ event: 'collector.failed', what: `${request.method} ${request.routeOptions.url ?? 'unknown'}`, message: messageOf(error) })
  } else if (refusal.code === 'credential-refused') emit({ event: 'credential.refused', ...facts })
  else if (refusal.code === 'token-refused' || refusal.code === 'device-known') emit({ event: 'enrolment.refused', ...facts })
  else emit({ event: 'request.refused', ...facts })
  if (refusal.retryAfterSeconds !== undefined) reply.header('retry-after', String(refusal.retryAfterSeconds))
  if (refusal.code === 'credential-refused') reply.header('www-authenticate', 'Bearer')
  if (refusal.code === 'stopping') reply.header('connection', 'close')
  if (request.headers['tus-resumable'] !== undefined) reply.header('tus-resumable', '1.0.0')
  linger(request.raw)
  void reply.code(refusal.status).header('cache-control', 'no-store').send(refusal.json)
}

function refusalFor(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (status >= 400 && status < 500) {
    return new Refusal('request-invalid', error instanceof Error ? error.message : 'The request is not understood.', { status })
  }
  if (isOfStore(error)) {
    return new Refusal('store-unreachable', 'The collector cannot read or write its store now.', { retryAfterSeconds: 30, cause: error })
  }
  return new Refusal('failed', 'The collector has made a mistake of its own.', { cause: error })
}

/** Whether an error is one of the disk or service where packs are kept, and not a defect. */
function isOfStore(error: unknown): boolean {
  return error instanceof SluiceError || (error instanceof Error && 'syscall' in error)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Answers what is no HTTP that Node understands, and ends the connection. */
function answerUnreadable(error: Error & { readonly code?: string }, socket: Socket, emit: EmitCollector): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  if (error.code !== cutShort) emit({ event: 'request.refused', code: 'request-invalid', address: socket.remoteAddress ?? '' })
  const status = unreadable[error.code ?? ''] ?? '400 Bad Request'
  const body = JSON.stringify({ code: 'request-invalid', message: 'The request cannot be read.' })
  socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`, () => {
    socket.destroy()
  })
}

/** The peer ended the connection within a body: an upload that was cut, and nothing to refuse. */
const cutShort = 'HPE_INVALID_EOF_STATE'

const unreadable: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
}
