/** Has the next `most` items made while one is used. */
export async function* ahead<Item>(items: AsyncGenerator<Item>, most: number): AsyncGenerator<Item> {
  const coming: Promise<IteratorResult<Item>>[] = []
  try {
    for (;;) {
      while (coming.length <= most) {
        const next = items.next()
        next.catch(() => undefined) // thrown where it is awaited
        coming.push(next)
      }
      const result = await coming.shift()
      if (!result || result.done) return
      yield result.value
    }
  } finally {
    await items.return(undefined)
  }
}
