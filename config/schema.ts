/** What the machine knows and the file may leave out. */
export interface Environment {
  readonly home: string
  readonly hostname: string
  readonly timeZone: string
  readonly cwd: string
  readonly xdgStateHome?: string
  /** Where a path really leads once links are followed; without it paths are compared as written. */
  readonly realPath?: (path: string) => string
}

/** Where and in what surroundings a value is read. */
export interface ReadingContext extends Environment {
  /** Absolute path of the folder the config file is in: relative paths begin there. */
  readonly configFolder: string
}

/** How one value is written and what it becomes. */
export interface ValueType<T> {
  /** Completes the sentence "allowed: …". */
  readonly allowed: string
  /** YAML's own true and false are read as the texts `true` and `false`; other types refuse them. */
  readonly takesBooleans?: true
  /** The value, or undefined when the text is not allowed. */
  parse(text: string, context: ReadingContext): T | undefined
  /** More words for a text that was refused, such as what was probably meant, with the punctuation that ends them. */
  hint?(text: string): string | undefined
  /** The value in the words of `config show`, where the text as written does not say it all. */
  show?(value: T): string
  /** For editors: never stricter than `parse`. Without it any text or number. */
  readonly json?: JsonSchema
}

/** A piece of JSON Schema, draft 07. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** A default is written as it would be in the file; one that depends on the machine says in words what it is. */
type Default = string | { readonly words: string, readonly text: (environment: Environment) => string }

interface Described {
  /** One sentence for the docs. */
  readonly doc: string
  /** Name in the `Config` type when it differs from the key. */
  readonly as?: string
  /** A key of policies alone: it would mean nothing where the worker may write it. */
  readonly policyOnly?: true
}

interface ValueSettings extends Described {
  readonly default?: Default
  /** Neither given nor defaulted: the property is absent. Without `default` and `optional` the key is required. */
  readonly optional?: true
}

interface ListSettings extends Described {
  readonly max: number
  /** Written when the key is absent: one item, or none at all. */
  readonly default?: 'none' | { readonly item: string }
  readonly optional?: true
  /** A single item may stand for a list of one. */
  readonly single?: true
  /**
   * What lists of several files become: all items (`add`), or items that are one when their key `by` is the same. Without it
   * the last list counts.
   */
  readonly merge?: 'add' | { readonly by: string }
}

export interface ValueOption extends ValueSettings {
  readonly kind: 'value'
  readonly type: ValueType<unknown>
}

export interface ListOption extends ListSettings {
  readonly kind: 'list'
  readonly item: ValueOption | MapOption
}

export interface MapOption extends Described {
  readonly kind: 'map'
  readonly fields: Readonly<Record<string, Option>>
  /** Keys that are planned: refused with words that say so. */
  readonly later?: readonly string[]
  /** When the key is absent the property is too; otherwise an absent map is one of defaults. */
  readonly optional?: true
}

export type Option = ValueOption | ListOption | MapOption

export function value<T, const S extends ValueSettings>(type: ValueType<T>, settings: S) {
  return { kind: 'value' as const, type, ...settings }
}

export function list<const I extends Omit<ValueOption, 'type'> | MapOption, const S extends ListSettings>(
  item: I,
  settings: S,
) {
  return { kind: 'list' as const, item, ...settings }
}

export function map<
  const F extends Readonly<Record<string, unknown>>,
  const S extends Described & Pick<MapOption, 'later' | 'optional'>,
>(fields: F, settings: S) {
  return { kind: 'map' as const, fields, ...settings }
}

/** The type of what an option becomes. */
export type TypeOf<O> =
  O extends { kind: 'value', type: ValueType<infer T> } ? T
    : O extends { kind: 'list', item: infer I } ? readonly TypeOf<I>[]
      : O extends { kind: 'map', fields: infer F } ? MapOf<F>
        : never

type NameOf<F, K extends keyof F> = F[K] extends { as: infer Name extends string } ? Name : K

type MapOf<F> = Flat<
  & { readonly [K in keyof F as F[K] extends { optional: true } ? never : NameOf<F, K>]: TypeOf<F[K]> }
  & { readonly [K in keyof F as F[K] extends { optional: true } ? NameOf<F, K> : never]?: TypeOf<F[K]> }
>

type Flat<T> = { [K in keyof T]: T[K] }
