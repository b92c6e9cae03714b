/** Rows of a glyph as drawn, before it is dropped below the baseline. */
const glyphRows = 7
const glyphColumns = 5
/** Rows a line of text needs: seven above the baseline, two for descenders. */
export const lineRows = 9

/**
 * The printable ASCII characters from space to tilde, seven base-32 digits each: one digit per row from the top, its
 * highest bit the leftmost of five columns.
 */
const rows = `
0000000 4444404 aa00000 aavavaa 4fke5u4 op248j3 cik8lid 4400000 2488842 8422248 04lel40 044v440 0000480 000e000 0000004
11248gg 4ahhha4 4c4444e eh1248v eh161he 26aiv22 vgu11he 68guhhe v124444 ehhehhe ehhf12c 0040004 0040048 248g842 00v0v00
g84248g eh12404 ehnlnge 4ahhvhh uhhuhhu ehggghe uhhhhhu vgguggv vgguggg ehgnhhf hhhvhhh e44444e 72222ic hikokih ggggggv
hrllhhh hppljjh ehhhhhe uhhuggg ehhhlid uhhukih fgge11u v444444 hhhhhhe hhhhha4 hhhllrh hha4ahh hha4444 v1248gv e88888e
gg84211 e22222e 4ah0000 000000v 8400000 00e1fhf gguhhhu 00ehghe 11fhhhf 00ehvge 68s8888 fhhhf1e gguhhhh 4044444 202222c
ggikoki 4444442 00qllll 00uhhhh 00ehhhe uhhhugg fhhhf11 00moggg 00fge1u 88s8886 00hhhjd 00hhha4 00hhlla 00ha4ah hhhhf1e
00v248v 3448443 4444444 o44244o 008l200`.trim().split(/\s+/)

/** Characters drawn at the top of their seven rows that hang two rows lower. */
const dropped = new Set(',gpqy')

/** One character: `ink[row][column]` over `lineRows` rows and `columns` columns, trimmed of empty columns. */
export interface Glyph {
  readonly columns: number
  readonly ink: readonly (readonly boolean[])[]
}

function decode(digits: string, dropRows: number): Glyph {
  const bits = Array.from(digits, (digit) => parseInt(digit, 32))
  const all = bits.reduce((union, row) => union | row, 0)
  if (all === 0) return { columns: 3, ink: Array.from({ length: lineRows }, () => [false, false, false]) }
  const left = Math.clz32(all) - (32 - glyphColumns)
  const right = glyphColumns - 1 - (31 - Math.clz32(all & -all))
  const columns = right - left + 1
  const ink = Array.from({ length: lineRows }, (_, line) => {
    const row = bits[line - dropRows] ?? 0
    return Array.from({ length: columns }, (_, column) => ((row >> (glyphColumns - 1 - left - column)) & 1) === 1)
  })
  return { columns, ink }
}

const glyphs = new Map(rows.map((digits, index) => {
  const character = String.fromCharCode(32 + index)
  return [character, decode(digits, dropped.has(character) ? lineRows - glyphRows : 0)]
}))

const unknown = decode('vhhhhhv', 0)

/** The glyph of a character; an empty box for anything that is not printable ASCII. */
export function glyphOf(character: string): Glyph {
  return glyphs.get(character) ?? unknown
}
