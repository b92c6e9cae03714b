declare module 'pino-roll' {
  import type { pino } from 'pino'

  export default function build(options: {
    readonly file: string
    readonly size: string
    readonly frequency: 'daily'
    readonly dateFormat: string
    readonly limit: { readonly count: number; readonly removeOtherLogFiles: true }
    readonly sync: true
    readonly mode: number
  }): Promise<ReturnType<typeof pino.destination> & { readonly file: string; readonly fd: number }>
}
