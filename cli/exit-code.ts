/** Codes that say that the command line, or a file that it names, is wrong. */
const badInput: ReadonlySet<string> = new Set(['usage', 'config-invalid', 'config-missing', 'destination-invalid', 'trace-invalid'])

/** What the process exits with after an error. */
export function exitCodeOf(code: string): 1 | 2 {
  return badInput.has(code) ? 2 : 1
}
