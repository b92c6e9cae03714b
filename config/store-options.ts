import { value } from './schema.ts'
import { credentialProgram, file, oneOf, sentence, storeEndpoint, storeRegion } from './types.ts'

/** How a store in a bucket is reached, and with which keys: the same for devices and collectors. */
export const storeFields = {
  region: value(storeRegion, { optional: true, doc: 'Where the bucket is. Without it `AWS_REGION`, then `us-east-1`.' }),
  endpoint: value(storeEndpoint, { optional: true, doc: 'The store. Without it Amazon’s in the region.' }),
  style: value(oneOf('path', 'virtual'), {
    optional: true, doc: 'Whether the bucket is named in the path or in the host name. Without it: in the path where there is an `endpoint`.',
  }),
  profile: value(sentence, { optional: true, doc: 'The profile in the credentials file. Without it `AWS_PROFILE`, then `default`.' }),
  credentialsFile: value(file, { optional: true, doc: 'The file that holds the keys. Without it the environment, then `~/.aws/credentials`.' }),
  credentialProcess: value(credentialProgram, { optional: true, doc: 'A program that prints keys, in place of a file.' }),
}
