import { createServer, type Server } from 'node:http'

/** Metrics in the text format of Prometheus. */
export interface MetricsText {
  readonly contentType: string
  metrics(): Promise<string>
}

/** A server that answers `GET /metrics` and nothing else; it does not listen yet. */
export function metricsServer(source: MetricsText): Server {
  return createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') return void response.writeHead(404).end()
    source.metrics().then(
      (text) => response.writeHead(200, { 'content-type': source.contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  })
}
