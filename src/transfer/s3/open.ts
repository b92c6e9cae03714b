import { SluiceError } from '../../observe/error.ts'
import type { Destination } from '../destination.ts'
import { maskAddress } from '../tus-address.ts'
import { parseS3Address, type S3Defaults, type S3Place } from './address.ts'
import { findCredentials, type CredentialSources } from './credentials.ts'
import { s3Destination, type S3Options } from './s3.ts'
import { localSigner, type UrlSigner } from './signer.ts'

export interface S3Settings extends S3Defaults, Pick<CredentialSources, 'profile' | 'credentialsFile' | 'credentialProcess'> {
  readonly partBytes?: number
}

export interface OpenS3Options extends Pick<S3Options, 'link' | 'uploads' | 'now'>, Pick<CredentialSources, 'environment' | 'home'> {
  /** From the config. */
  readonly settings: S3Settings
}

/** The destination at an `s3://` address, with keys of this machine. Throws `destination-invalid`. Nothing is asked for yet. */
export function openS3(address: string, options: OpenS3Options): Destination {
  const { link, uploads, now, settings: { partBytes } } = options
  return s3Destination({ ...openPlace(address, options), link, uploads, now, ...(partBytes !== undefined && { partBytes }) })
}

/** The place at an `s3://` address, and what signs requests to it with keys of this machine. Throws `destination-invalid`. */
export function openPlace(
  address: string, { settings, environment, home, now }: Omit<OpenS3Options, 'link' | 'uploads'>,
): { readonly place: S3Place, readonly signer: UrlSigner } {
  const region = settings.region ?? environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION']
  const place = parseS3Address(address, { ...settings, ...(region !== undefined && region !== '' && { region }) })
  if (typeof place === 'string') throw new SluiceError('destination-invalid', `Cannot use the destination '${maskAddress(address)}'. ${place}`)
  const credentials = findCredentials({ ...settings, environment, home, now })
  return { place, signer: localSigner({ credentials, region: place.region, now }) }
}
