/** First byte of a column of numbers; from `fixed` on: twice the digits behind the point, and 1 when zeros are cut. */
export const numberForms = { integer: 0, split: 1, fixed: 2 } as const
/** First byte of a column of strings; from `time` on: the form of the times. */
export const stringForms = { known: 0, plain: 1, time: 2 } as const
/** Set when all codes of a column are the same; then there is one. */
export const constant = 0x80
