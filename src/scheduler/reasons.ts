/** Which lane a reason closes or slows: sending bytes, preparing packs, or both. */
export type Holds = 'send' | 'prepare' | 'both'

interface ReasonText {
  readonly holds: Holds
  /** `gate`: follows from conditions, caps and policy. `machinery`: reported by a part that cannot go on. */
  readonly raised: 'gate' | 'machinery'
  /** Whether `sluice send-now` sets it aside: what was decided for the person's comfort, never what limits cost or privacy. */
  readonly yieldsToSendNow?: true
  readonly meaning: string
  readonly action: string
}

/**
 * Every reason for which something is held or slowed, gravest first: what the person decided, what needs somebody's hands,
 * what time or a better moment resolves. Decisions list reasons in this order. Codes are API; the texts are
 * docs/reasons.md.
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
    action: 'Restore the settings file from a backup, or delete it and set your pause and your limits again. If you had paused with `--drop` and Sluice was running when you did, what was captured until you delete the file is still never read.',
  },
  'stream-off': {
    holds: 'both',
    raised: 'gate',
    meaning: 'You turned these captures off. They are neither read nor sent.',
    action: 'Turn them on again with `sluice stream on`.',
  },
  'exempt-work': {
    holds: 'both',
    raised: 'gate',
    meaning: 'Your IT exempted this work as sensitive: these captures are neither read nor sent.',
    action: 'Nothing. If that is no longer right, ask your IT.',
  },
  'exempt-charger': {
    holds: 'both',
    raised: 'gate',
    meaning: 'Your IT exempted you because you have no charger at hand, so Sluice rests while the battery is used.',
    action: 'Nothing. With a charger plugged in, work goes on.',
  },
  'exempt-line': {
    holds: 'send',
    raised: 'gate',
    meaning: 'Your IT exempted you because your line is limited: only networks known to be free are used.',
    action: 'Nothing. If this network costs you nothing, say so with `sluice network set`.',
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
  'encryption-failed': {
    holds: 'both',
    raised: 'machinery',
    meaning: 'Packs could not be encrypted as your IT wants it. Nothing is packed or sent unencrypted instead.',
    action: 'Work goes on by itself once it can be done. If it lasts, ask your IT about the keys named in `recipients`.',
  },
  'spool-full': {
    holds: 'prepare',
    raised: 'machinery',
    meaning: 'There is no room for more packs that wait to be sent. Your captures stay where they are.',
    action: 'Free some space, or let waiting packs go: what holds sending is listed with this.',
  },
  'credential-missing': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination wants to know this device, and there is no credential to show there yet.',
    action: 'Ask your IT. With a token from them, run `sluice enrol`; sending goes on by itself afterwards.',
  },
  'credential-refused': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination does not accept the credential, or the token, that this device shows.',
    action: 'Ask your IT for a new one. With a token from them, run `sluice enrol`; sending goes on by itself.',
  },
  'destination-forbidden': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination knows this device and forbids what it asked for.',
    action: 'Ask whoever runs the destination to let this device send.',
  },
  'destination-missing': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'At the destination’s address there is nothing that takes captures.',
    action: 'Ask your IT to check the address in the config, and that the destination has been set up.',
  },
  'certificate-refused': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination could not prove that it is the right one, so nothing was sent to it.',
    action: 'If this network has a login page, log in first. Check this machine’s date and time. If it stays, show this to your IT.',
  },
  'clock-wrong': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'This machine’s date and time are too far off for the destination.',
    action: 'Set the date and time right, best by letting the system set them. Sending goes on by itself.',
  },
  'destination-behind': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination no longer has captures that it said had arrived.',
    action: 'Ask whoever runs the destination to bring back what it lost; then sending goes on by itself. If it is lost for good, docs/failures.md says how this device begins anew.',
  },
  'destination-ahead': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination has captures under this device’s name that this installation did not send.',
    action: 'Check that no other machine uses the same device name, then ask whoever runs the destination. docs/failures.md has the steps.',
  },
  'pack-too-large': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'What leaves next is larger than the destination takes in one piece.',
    action: 'Ask whoever runs the destination to allow more. A smaller `seal.size` in the config helps for what is captured later.',
  },
  'destination-refused': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination refused what was sent.',
    action: 'Check the address in the config, or ask whoever runs the destination.',
  },
  'destination-full': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination has no room left, for this device or at all.',
    action: 'Ask whoever runs the destination to make room. Sending is tried again by itself.',
  },
  'proxy-refused': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The proxy of this network does not let Sluice through, or wants a user and password.',
    action: 'Ask your IT for the proxy’s address and log-in; they go under `connection` in the config.',
  },
  'captive-portal': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'A login page stands between this machine and the internet, as in hotels and trains.',
    action: 'Open any page in your browser and log in to the network. Sending goes on by itself.',
  },
  'name-unresolved': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'You have a network, but the destination’s name could not be looked up there.',
    action: 'See whether other pages open in your browser; if not, the network is the cause. It is tried again by itself.',
  },
  'destination-unreachable': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'You have a network, but the destination did not answer.',
    action: 'Nothing yet: it is tried again by itself. If it lasts for hours, tell whoever runs the destination.',
  },
  'destination-failing': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination answers that it has trouble of its own.',
    action: 'Nothing yet: it is tried again by itself. If it lasts for hours, tell whoever runs the destination.',
  },
  'destination-busy': {
    holds: 'send',
    raised: 'machinery',
    meaning: 'The destination has much to do and asks to be left alone for a while.',
    action: 'Nothing: it is tried again by itself.',
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
    yieldsToSendNow: true,
    meaning: 'This machine is set to save power, so Sluice rests.',
    action: 'Choose another power mode, or wait until you do.',
  },
  'weak-charger': {
    holds: 'both',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'The charger gives less than the machine takes, so Sluice works only a little.',
    action: 'Use the machine’s own charger, or a socket with more power.',
  },
  'battery': {
    holds: 'send',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'The machine runs on battery, and the charge is below what sending needs.',
    action: 'Plug in the charger.',
  },
  'on-battery': {
    holds: 'prepare',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'The machine runs on battery, so captures are packed gently, with pauses.',
    action: 'Nothing. With the charger plugged in, packing goes at full speed.',
  },
  'power-unknown': {
    holds: 'send',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'Sluice cannot tell whether sending would drain your battery.',
    action: 'Plug in the charger. If this stays, set `conditions: { power: mains }` in the config.',
  },
  'cap-month': {
    holds: 'send',
    raised: 'gate',
    meaning: 'The data cap for this month is used up.',
    action: 'Wait until the cap resets. If it is your own, `sluice cap set` can raise it.',
  },
  'cap-week': {
    holds: 'send',
    raised: 'gate',
    meaning: 'The data cap for this week is used up.',
    action: 'Wait until the cap resets. If it is your own, `sluice cap set` can raise it.',
  },
  'cap-day': {
    holds: 'send',
    raised: 'gate',
    meaning: 'The data cap for today is used up.',
    action: 'Wait until the cap resets. If it is your own, `sluice cap set` can raise it.',
  },
  'cap-rolling': {
    holds: 'send',
    raised: 'gate',
    meaning: 'The data cap for the last days is used up.',
    action: 'Wait until older use falls out of it. If it is your own, `sluice cap set` can raise it.',
  },
  'plan': {
    holds: 'send',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'Your own use has nearly filled your data plan, so what is left of it is kept for you.',
    action: 'Nothing: Sluice waits until your plan starts again. If you can spare it, use `sluice send-now`.',
  },
  'pace': {
    holds: 'send',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'Today’s share of a data cap is used up; the rest is kept for the days to come.',
    action: 'Nothing: tomorrow brings another share. If it cannot wait, use `sluice send-now`.',
  },
  'offline': {
    holds: 'send',
    raised: 'gate',
    meaning: 'This machine is not connected to a network.',
    action: 'Connect to a network.',
  },
  'login-page': {
    holds: 'send',
    raised: 'gate',
    meaning: 'This network wants you to log in first: a login page stands before the internet.',
    action: 'Open any page in your browser and log in to the network. Sending goes on by itself.',
  },
  'roaming': {
    holds: 'send',
    raised: 'gate',
    meaning: 'You are roaming on another operator’s network, where data can be very expensive.',
    action: 'Join a Wi-Fi network, or wait until you are back on your own operator’s.',
  },
  'over-limit': {
    holds: 'send',
    raised: 'gate',
    meaning: 'Your system says that this network’s data allowance is used up.',
    action: 'Join another network, or wait until the allowance starts again.',
  },
  'near-limit': {
    holds: 'send',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'Your system says that this network’s data allowance is nearly used up, so the rest is kept for you.',
    action: 'Join another network. If you can spare it, use `sluice send-now`.',
  },
  'metered': {
    holds: 'send',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'This network costs money by the byte, or has a small allowance.',
    action: 'Join a free network. If this one is free, say so with `sluice network set current free`.',
  },
  'network-unknown': {
    holds: 'send',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'Sluice cannot tell whether this network costs money, so it counts as if it did.',
    action: 'If this network is free, say so with `sluice network set current free`.',
  },
  'stream-network': {
    holds: 'send',
    raised: 'gate',
    meaning: 'These captures may not be sent on this kind of network.',
    action: 'Join a network of a kind that is allowed for them.',
  },
  'outside-window': {
    holds: 'send',
    raised: 'gate',
    yieldsToSendNow: true,
    meaning: 'Sending is allowed only at certain times, and now is not one of them.',
    action: 'Wait for the next time, or use `sluice send-now`.',
  },
} as const satisfies Record<string, ReasonText>

export type ReasonCode = keyof typeof reasons

/** Codes that a part of the machinery raises; the gate only passes them on. */
export type FaultCode = {
  [C in ReasonCode]: (typeof reasons)[C]['raised'] extends 'machinery' ? C : never
}[ReasonCode]

/** All codes, gravest first. */
export const reasonOrder = Object.keys(reasons) as readonly ReasonCode[]

/** Whether a person's `send-now` sets the reason aside. */
export function yieldsToSendNow(code: ReasonCode): boolean {
  return 'yieldsToSendNow' in reasons[code]
}
