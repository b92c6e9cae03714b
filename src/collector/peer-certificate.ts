import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** The names that the certificate of a peer carries: its common name, and its DNS names. */
export function certificateNames(socket: Socket): string[] {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return []
  const { subject, subjectaltname = '' } = socket.getPeerCertificate()
  const alternatives = subjectaltname.split(', ').flatMap((name) => name.startsWith('DNS:') ? [name.slice('DNS:'.length)] : [])
  const common: unknown = subject?.CN
  return [...(typeof common === 'string' ? [common] : []), ...alternatives]
}
