/** Which lane a reason closes: sending bytes, preparing packs, or both. */
export type Holds = 'send' | 'prepare' | 'both'

interface ReasonText {
  readonly holds: Holds
  /** `gate`: follows from conditions, caps and policy. `machinery`: reported by a part that cannot go on. */
  readonly raised: 'gate' | 'machinery'
  readonly meaning: string
  readonly action: string
}

/**
 * Every reason for which something is held, gravest first: what the person decided, what needs somebody's hands, what
 * time or a better moment resolves. Decisions list reasons in this order. Codes are API; the texts are docs/reasons.md.
 */
export const reasons = {
  'paused': {
    holds: 'both',
    raised: 'gate',
    meaning: 'You paused Sluice. While it is paused nothing is read from your captures and nothing is sent.',
    action: 'Run `sluice resume` to go on now, or wait for the pause to end.',
  },
  'settings-damaged': {
    holds: 'both',
    raised: 'machinery',
    meaning: 'Your settings file cannot be read, so your pause and your limits are not known.',
    action: 'Restore the settings file from a backup, or delete it and set your limits again.',
  },
  'state-full': {
    holds: 'both',
    raised: 'machinery',
    meaning: 'The disk that holds Sluice’s own records is full, so nothing could be accounted for.',
    action: 'Free some space on that disk. Work goes on by itself afterwards.',
  },
  'state-unusable': {
    holds: 'both',
    raised: 'machinery',
    meaning: 'Sluice’s own folder cannot be read or written, so nothing could be accounted for.',
    action: 'Check the disk and the folder’s owner and mode. Work goes on by itself afterwards.',
  },
  'spool-full': {
    holds: 'prepare',
    raised: 'machinery',
    meaning: 'There is no room for more packs that wait to be sent. Your captures stay where they are.',
    action: 'Free some space, or let waiting packs go: what holds sending is listed with this.',
  },
  'destination-behind': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination no longer has packs that were sent to it.',
    action: 'Ask whoever runs the destination to restore it.',
  },
  'destination-ahead': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination has packs of this device that this installation did not send.',
    action: 'Check that no other machine uses the same device name, then ask whoever runs the destination.',
  },
  'destination-refused': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination refused what was sent.',
    action: 'Check the address and the credentials in the config, or ask whoever runs the destination.',
  },
  'destination-full': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination has no room left.',
    action: 'Ask whoever runs the destination to make room. Sending is tried again by itself.',
  },
  'destination-unreachable': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination did not answer.',
    action: 'Check your connection. Sending is tried again by itself.',
  },
  'battery-low': {
    holds: 'both',
    raised: 'gate',
    meaning: 'The battery is nearly empty, so Sluice does nothing at all.',
    action: 'Plug in the charger.',
  },
  'power-saver': {
    holds: 'both',
    raised: 'gate',
    meaning: 'This machine is set to save power, so Sluice rests.',
    action: 'Choose another power mode, or wait until you do.',
  },
  'battery': {
    holds: 'send',
    raised: 'gate',
    meaning: 'The machine runs on battery, and the charge is below what sending needs.',
    action: 'Plug in the charger.',
  },
  'power-unknown': {
    holds: 'send',
    raised: 'gate',
    meaning: 'Sluice cannot tell whether sending would drain your battery.',
    action: 'Plug in the charger. If this stays, set `conditions: { power: mains }` in the config.',
  },
  'cap-month': {
    holds: 'send',
    raised: 'gate',
    meaning: 'The data cap for this month is used up.',
    action: 'Wait until the cap resets, or raise it with `sluice cap set`.',
  },
  'cap-week': {
    holds: 'send',
    raised: 'gate',
    meaning: 'The data cap for this week is used up.',
    action: 'Wait until the cap resets, or raise it with `sluice cap set`.',
  },
  'cap-day': {
    holds: 'send',
    raised: 'gate',
    meaning: 'The data cap for today is used up.',
    action: 'Wait until the cap resets, or raise it with `sluice cap set`.',
  },
  'offline': {
    holds: 'send',
    raised: 'gate',
    meaning: 'This machine is not connected to a network.',
    action: 'Connect to a network.',
  },
  'metered': {
    holds: 'send',
    raised: 'gate',
    meaning: 'This network costs money by the byte, or has a small allowance.',
    action: 'Join a free network, or, if this one is free, set `conditions: { network: free }` in the config.',
  },
  'network-unknown': {
    holds: 'send',
    raised: 'gate',
    meaning: 'Sluice cannot tell whether this network costs money, so it counts as if it did.',
    action: 'Join a network known to be free, or, if this one is, set `conditions: { network: free }` in the config.',
  },
  'stream-network': {
    holds: 'send',
    raised: 'gate',
    meaning: 'These captures may not be sent on this kind of network.',
    action: 'Join a network of a kind that is allowed for them.',
  },
} as const satisfies Record<string, ReasonText>

export type ReasonCode = keyof typeof reasons

/** Codes that a part of the machinery raises; the gate only passes them on. */
export type FaultCode = {
  [C in ReasonCode]: (typeof reasons)[C]['raised'] extends 'machinery' ? C : never
}[ReasonCode]

/** All codes, gravest first. */
export const reasonOrder = Object.keys(reasons) as readonly ReasonCode[]
