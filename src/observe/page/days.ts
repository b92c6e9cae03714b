/** `Mon 23 Nov` of `2026-11-23`. */
export function dayInWords(date: string): string {
  const parts = format.formatToParts(new Date(`${date}T00:00:00Z`))
  return ['weekday', 'day', 'month'].map((type) => parts.find((part) => part.type === type)?.value ?? '').join(' ')
}

const format = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', weekday: 'short', day: '2-digit', month: 'short' })
