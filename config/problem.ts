import { SluiceError } from '../src/observe/error.ts'

/** One thing that is wrong with a config file. */
export interface Problem {
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** 1-based. */
  readonly column: number
  /** Path of the key, as in `streams[0].purpose`; `file` for the file as a whole, `yaml` where it is no YAML. */
  readonly key: string
  /** What was found. */
  readonly found: string
  /** What is allowed in its place. */
  readonly allowed: string
}

/** Most problems reported at once; a person mends a few and checks again. */
export const maxProblems = 50

/** A problem of the file as a whole. */
export function fileProblem(file: string, found: string, allowed: string): Problem {
  return { file, line: 1, column: 1, key: 'file', found, allowed }
}

/** `sluice.yaml:3:9 streams[0].files: found "x"; allowed: append, whole` */
export function problemText({ file, line, column, key, found, allowed }: Problem): string {
  return `${printable(file)}:${line}:${column} ${key}: ${found}; ${allowed}`
}

export function configInvalid(file: string, problems: readonly Problem[]): SluiceError {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`
  const lines = problems.map((problem) => `  ${problemText(problem)}`)
  return new SluiceError('config-invalid', `${printable(file)} was refused, ${count}:\n${lines.join('\n')}`, {
    data: { file, problems: problems.length },
  })
}

/** `text` with whatever could disturb a terminal or a line of a log made visible, cut to what fits a message. */
export function printable(text: string, maxLength = 4096): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
  return cut.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}
