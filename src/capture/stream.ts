/** How a stream's capture files come to be: `append` grows until rotated, `whole` is complete once closed. */
export type FileKind = 'append' | 'whole'

/** `bytes` restores every byte; `pixels` allows a screenshot codec that restores every pixel. */
export type Fidelity = 'bytes' | 'pixels'

/** One kind of capture: a folder, a file pattern, a purpose, and rules. Comes validated from the config. */
export interface Stream {
  /** `[a-z0-9][a-z0-9._-]{0,63}`, unique in the config. */
  readonly name: string
  /** Absolute path of the folder; nothing outside it is ever read. */
  readonly folder: string
  /** Globs over the path relative to `folder`; a file is captured when one matches. Default: every file. */
  readonly include: readonly string[]
  /** Why this is collected; travels in every manifest. */
  readonly purpose: string
  readonly files: FileKind
  readonly fidelity: Fidelity
  /** How long a `whole` file must be quiet before it counts as complete when its closing was not seen. */
  readonly quietMs: number
  /** What becomes of a `whole` capture file after its pack arrived. */
  readonly onSent: 'keep' | 'delete'
  /** `high` leaves before the rest, `low` after it. */
  readonly priority: 'high' | 'normal' | 'low'
  /** The worker may turn it off; it shares no pack with other streams then, so that nothing of it leaves while it is off. */
  readonly optional: boolean
  /** Network classes on which this stream may be sent; undefined: whatever the gate allows. */
  readonly networks?: readonly ('free' | 'metered')[]
}
