/** What a field of an event may hold: the words for the docs, and the check of a value that was read from a log. */
export interface Field<T = unknown> {
  /** Completes "`name`, …": the type and, where there is one, the unit. */
  readonly type: string
  readonly doc: string
  readonly optional?: true
  takes(value: unknown): value is T
}

/** One kind of event. Level and names are API; the sentence is docs/events.md. */
export interface EventRule {
  readonly level: Level
  /** One plain sentence. */
  readonly doc: string
  readonly fields: Readonly<Record<string, Field>>
  /** The fields of a line that could be. */
  readonly example: Readonly<Record<string, unknown>>
  /** Tells of what the worker decided alone, and so stays out of what IT reads. */
  readonly worker?: true
}

export type Level = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

type Flat<T> = { [K in keyof T]: T[K] }

type Fields = Readonly<Record<string, unknown>>

type TypeOf<F> = F extends Field<infer T> ? T : never

type Names<F, IsOptional> = { [K in keyof F]: F[K] extends { readonly optional: true } ? IsOptional extends true ? K : never : IsOptional extends true ? never : K }[keyof F]

type FieldsOf<F extends Fields> = Flat<{ readonly [K in Names<F, false>]: TypeOf<F[K]> } & { readonly [K in Names<F, true>]?: TypeOf<F[K]> }>

/** The event `N` of a table of events. */
export type EventIn<Table extends Readonly<Record<string, { readonly fields: Fields }>>, N extends keyof Table> =
  { [K in N]: Flat<{ readonly event: K } & FieldsOf<Table[K]['fields']>> }[N]

function field<T>(type: string, doc: string, takes: (value: unknown) => boolean): Field<T> {
  return { type, doc, takes: takes as (value: unknown) => value is T }
}

const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

export const count = (doc: string): Field<number> => field('count', doc, isWhole)
export const bytes = (doc: string): Field<number> => field('bytes', doc, isWhole)
export const milliseconds = (doc: string): Field<number> => field('milliseconds', doc, isNumber)
export const seconds = (doc: string): Field<number> => field('seconds', doc, isNumber)
export const percent = (doc: string): Field<number> => field('percent', doc, isNumber)
export const time = (doc: string): Field<number> => field('milliseconds since 1970-01-01 UTC', doc, isNumber)
export const text = (doc: string): Field<string> => field('text', doc, (value) => typeof value === 'string')
export const yesNo = (doc: string): Field<boolean> => field('true or false', doc, (value) => typeof value === 'boolean')

export function oneOf<const T extends string>(words: readonly T[], doc: string): Field<T> {
  return field('one of ' + words.map((word) => `\`${word}\``).join(', '), doc, (value) => words.some((word) => word === value))
}

/** A code out of a table of codes that has a page of its own. */
export function code<T extends string>(table: Readonly<Record<T, unknown>>, type: string, doc: string, also: readonly string[] = []): Field<T> {
  return field(type, doc, (value) => typeof value === 'string' && (Object.hasOwn(table, value) || also.includes(value)))
}

export const texts = (doc: string): Field<readonly string[]> =>
  field('list of texts', doc, (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'))

/** Numbers by name. */
export const numbersBy = (type: string, doc: string): Field<Readonly<Record<string, number>>> =>
  field(type, doc, (value) => isObject(value) && Object.values(value).every(isWhole))

/** A list of records of the same fields. */
export function records<const F extends Fields>(fields: F & Readonly<Record<string, Field>>, doc: string): Field<readonly FieldsOf<F>[]> {
  const type = `list of { ${Object.entries(fields).map(([name, { type }]) => `${name}: ${type}`).join(', ')} }`
  return field(type, doc, (value) => Array.isArray(value) && value.every((item) => isObject(item) && fieldProblems(fields, item).length === 0))
}

export function optional<T>(rule: Field<T>): Field<T> & { readonly optional: true } {
  return { ...rule, optional: true }
}

/** What is wrong with an event by its table, in sentences; none when it is right. */
export function problemsOf(table: Readonly<Record<string, EventRule>>, value: unknown): string[] {
  if (!isObject(value)) return ['not an object']
  const { event, ...fields } = value
  if (typeof event !== 'string' || !Object.hasOwn(table, event)) return [`unknown event ${JSON.stringify(event)}`]
  return fieldProblems(table[event]?.fields ?? {}, fields).map((problem) => `${event}: ${problem}`)
}

function fieldProblems(rules: Readonly<Record<string, Field>>, values: Readonly<Record<string, unknown>>): string[] {
  const wrong = Object.entries(rules).flatMap(([name, rule]) => {
    if (values[name] === undefined) return rule.optional ? [] : [`no ${name}`]
    return rule.takes(values[name]) ? [] : [`${name} is no ${rule.type}: ${JSON.stringify(values[name])}`]
  })
  return [...wrong, ...Object.keys(values).filter((name) => !Object.hasOwn(rules, name)).map((name) => `unknown field ${name}`)]
}
