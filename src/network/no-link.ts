/**
 * Whether sending to `address` leaves the machine's network links alone: a local folder, or a loopback address (for
 * `s3://`, of its `endpoint`). False for what is not an address.
 */
export function usesNoLink(address: string): boolean {
  const url = URL.parse(address)
  if (url?.protocol === 'file:') return url.hostname === ''
  const link = url?.protocol === 's3:' ? URL.parse(url.searchParams.get('endpoint') ?? '') : url
  return (link?.protocol === 'http:' || link?.protocol === 'https:') && isLoopback(link.hostname)
}

/** RFC 6761 section 6.3, RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
