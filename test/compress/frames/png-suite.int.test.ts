// PngSuite, Willem van Schaik's public set of PNGs, as the sources of Go carry it: on Debian the package golang-1.19-src.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { decodeFrame, encodeFrame, indexed } from '../../../src/compress/frames/codec.ts'
import { frameOf, pictureOf } from '../../../src/compress/frames/picture.ts'
import { readPng, writePng } from '../../../src/compress/frames/png.ts'

const folder = '/usr/share/go-1.19/src/image/png/testdata/pngsuite'
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.png')) : []

test.skipIf(files.length === 0)('every picture of PngSuite is restored exactly, or left alone because it is interlaced (needs golang-1.19-src)', async () => {
  const read = async (bytes: Uint8Array) => (await sharp(bytes).raw({ depth: 'ushort' }).toBuffer()).toString('base64')
  const left: string[] = []
  for (const name of files) {
    const bytes = readFileSync(join(folder, name))
    const frame = readPng(bytes)
    if (!frame) {
      left.push(name)
      expect(bytes[28], name).toBe(1) // the header's interlace method
      continue
    }
    const picture = pictureOf(frame)
    const restored = writePng(frameOf(decodeFrame(encodeFrame(indexed(picture), [], 'thorough').bytes, [])))
    expect(await read(restored), name).toBe(await read(bytes))
    const metadata = async (of: Uint8Array) => ({ ...await sharp(of).metadata(), size: 0 })
    expect(await metadata(restored), name).toEqual(await metadata(bytes))
  }
  expect(left.length).toBeLessThan(files.length / 2)
})
