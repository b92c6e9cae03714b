/** Containers within each other; a line that goes deeper stays as it is. DOM snapshots reach about 100. */
export const maxDepth = 512

/**
 * Names and shapes that a chain of blocks may teach its model: what bounds the memory of both sides and the time to
 * read a snapshot back (about 1 MiB and 3 ms at worst). When there is no more room nothing new is learned.
 */
export const maxNames = 1 << 14
export const maxNameBytes = 1 << 19
export const maxFields = 1 << 12
export const maxShapes = 1 << 12
/** Members of all shapes together. */
export const maxMembers = 1 << 14

/** Longer strings hardly repeat, and zstd finds those that do. */
export const longestName = 255

/** Magnitude below which sums of four numbers, twice over, are still exact: up to 15 digits, but for the largest. */
export const maxInteger = 1e15
