import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, listening } from '../../bench/lib/port.ts'
import type { Certificate } from './tus-bench.ts'

/** Why there can be no nginx here, or undefined. */
export function whyNoNginx(): string | undefined {
  return spawnSync('nginx', ['-v']).status === 0 ? undefined : 'needs nginx'
}

export interface Nginx extends AsyncDisposable {
  /** `https://localhost:4711/files` */
  readonly url: string
}

export interface NginxOptions {
  readonly folder: string
  /** Port of the server behind it, on this machine. */
  readonly to: number
  readonly tls: Certificate
  /** More lines of its `server` block. */
  readonly lines?: string
}

/** The real nginx in front of a server: TLS and HTTP/2 end there, bodies go on as they come. */
export async function startNginx({ folder, to, tls, lines = '' }: NginxOptions): Promise<Nginx> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'cert.pem'), tls.cert)
  await writeFile(join(folder, 'key.pem'), tls.key)
  const port = await freePort()
  await writeFile(join(folder, 'nginx.conf'), `
    daemon off; master_process off; worker_processes 1; error_log ${folder}/error.log; pid ${folder}/pid;
    events { worker_connections 64; }
    http {
      access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      server {
        listen 127.0.0.1:${port} ssl http2;
        ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem; ${lines}
        client_max_body_size 0;
        location / {
          proxy_pass http://127.0.0.1:${to}; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
        }
      }
    }`)
  const child = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder], { stdio: ['ignore', 'inherit', 'inherit'] })
  const ended = once(child, 'exit')
  await listening(port, () => child.exitCode !== null)
  return {
    url: `https://localhost:${port}/files`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
