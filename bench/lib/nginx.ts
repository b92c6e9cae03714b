import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface NginxOptions {
  /** An empty folder for its files; uploads end up in `files` below it. */
  readonly folder: string
  /** `10.98.2.2:8443`, where it listens. */
  readonly listen: string
  readonly tls?: { readonly cert: string, readonly key: string }
  /** 0: all in one process, which may be killed. */
  readonly workers: number
}

const program = '/usr/sbin/nginx'
/** Debian keeps PROPFIND, which WebDAV clients ask first, in a module of its own; PUT works without. */
const davModule = '/usr/lib/nginx/modules/ngx_http_dav_ext_module.so'

/** What to install when nginx is not there, or undefined. */
export function whyNoNginx(): string | undefined {
  return existsSync(program) && existsSync(davModule) ? undefined : 'apt-get install nginx-light libnginx-mod-http-dav-ext'
}

/** The command line of an nginx that takes PUT below `/`, in the foreground; it prints nothing when all is well. */
export async function nginxArgv({ folder, listen, tls, workers }: NginxOptions): Promise<readonly string[]> {
  await mkdir(join(folder, 'files'), { recursive: true })
  const config = join(folder, 'nginx.conf')
  await writeFile(config, `
    load_module ${davModule};
    user ${process.getuid?.() === 0 ? 'root' : 'nobody'};
    daemon off;
    ${workers === 0 ? 'master_process off' : `worker_processes ${workers}`};
    worker_rlimit_nofile 8192;
    pid ${folder}/nginx.pid;
    error_log stderr error;
    events { worker_connections 4096; }
    http {
      access_log off;
      client_body_temp_path ${folder}/arriving;
      server {
        listen ${listen}${tls ? ' ssl' : ''} backlog=1024;
        ${tls ? `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key}; ssl_protocols TLSv1.3;` : ''}
        root ${folder}/files;
        client_max_body_size 0;
        client_body_timeout 120s;
        keepalive_requests 100000;
        create_full_put_path on;
        dav_methods PUT DELETE MKCOL COPY MOVE;
        dav_ext_methods PROPFIND OPTIONS;
      }
    }`)
  return [program, '-c', config, '-p', folder, '-e', 'stderr']
}
