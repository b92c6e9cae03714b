import { ByteReader, ByteWriter } from '../../pack/bytes.ts'
import { Model } from './model.ts'
import { TextReader } from './text-reader.ts'

/** A model as bytes: u32 length of the numbers, the numbers, the names. */
export function saveModel(model: Model): Uint8Array {
  const [main, text] = [new ByteWriter(), new ByteWriter()]
  model.write(main, text)
  const result = new ByteWriter()
  result.uint32(main.length)
  result.bytes(main.finish())
  result.bytes(text.finish())
  return result.finish()
}

/** The model whose snapshot the first bytes of `pool` are; an empty one when those are none. Throws `FormatError`. */
export function loadModel(pool: Uint8Array, snapshotBytes: number): Model {
  const model = new Model(pool)
  if (snapshotBytes === 0) return model
  const reader = new ByteReader(pool.subarray(0, snapshotBytes))
  const mainBytes = reader.uint32('length')
  const main = new ByteReader(reader.bytes(mainBytes, 'model'))
  model.read(main, new TextReader(pool, reader.offset, snapshotBytes))
  main.end('model')
  return model
}
