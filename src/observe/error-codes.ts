/** Every error code with what it means, in the order docs/errors.md lists them. */
export const errorCodes = {
  'usage': 'The command line was not understood.',
  'config-invalid': 'The config file was refused; the message names line, key and what is allowed.',
  'config-missing': 'There is no config file where one was expected.',
  'state-locked': 'Another service is running on the same state folder.',
  'state-unusable': 'The state folder cannot be created, read or written.',
  'state-full': 'The disk that holds the state folder is full.',
  'state-newer': 'The state folder was written by a newer version of Sluice.',
  'state-other-destination': 'The state folder belongs to another device or destination than the config names.',
  'journal-damaged': 'The journal is damaged; it is rebuilt from the spool and the destination.',
  'settings-damaged': 'The worker’s settings file cannot be read.',
  'spool-full': 'The disk that holds the spool is full.',
  'pack-invalid': 'A pack is damaged or was not written by Sluice; the message names the pack and the offset.',
  'codec-failed': 'A block could not be compressed or decompressed.',
  'log-gap': 'A pack is missing from the device log.',
  'log-forked': 'Two packs of the device log claim the same place, or a pack does not continue its predecessor.',
  'destination-invalid': 'The destination address is not one that Sluice knows.',
  'destination-unreachable': 'The destination cannot be reached now.',
  'destination-full': 'The destination has no room left.',
  'destination-refused': 'The destination refused the request.',
  'destination-behind': 'The destination no longer has packs that were sent to it.',
  'destination-ahead': 'The destination has packs of this device that this state folder did not send.',
  'pull-target': 'The folder to rebuild into cannot be used.',
  'capture-unreadable': 'A capture file or folder cannot be read.',
  'aborted': 'The work was stopped before it was done; nothing is lost.',
} as const

export type ErrorCode = keyof typeof errorCodes
