import type { EventRule } from '../src/observe/fields.ts'
import type { SluiceEvent } from '../src/observe/events.ts'
import { collectorCatalogue } from '../src/observe/collector-events.ts'
import { catalogue } from '../src/observe/events.ts'
import { levelField, lineFields } from '../src/observe/log/line.ts'

/** When the examples were written. */
const stamp = { time: Date.UTC(2026, 10, 23, 21), device: 'laptop-17', version: '0.1.0' }

/** The part of docs/events.md that tells of each event. */
export function eventSections(): string[] {
  return [
    '## The service', ...sections(catalogue, (event, { level }) => ({ ...levelField('json', level), ...lineFields('json', event as SluiceEvent, stamp) })),
    '## The collector',
    'The lines of `sluice collector` on stdout have no `version`, and `device` only where the event is about one.',
    ...sections(collectorCatalogue, (event, { level }) => ({ time: new Date(stamp.time).toISOString(), level, ...event })),
  ]
}

type Example = Readonly<Record<string, unknown>> & { readonly event: string }

function sections(table: Readonly<Record<string, EventRule>>, lineOf: (event: Example, rule: EventRule) => object): string[] {
  return Object.entries(table).map(([event, rule]) => [
    `### ${event}`,
    `${rule.level} · ${rule.doc}${rule.worker ? ' Shown to the worker alone.' : ''}`,
    ...(Object.keys(rule.fields).length > 0 ? [fieldList(rule)] : []),
    `\`\`\`json\n${JSON.stringify(lineOf({ event, ...rule.example }, rule))}\n\`\`\``,
  ].join('\n\n'))
}

function fieldList({ fields }: EventRule): string {
  return Object.entries(fields).map(([name, { type, doc, optional }]) => `- \`${name}\`, ${type}${optional ? ', may be missing' : ''}: ${doc}`).join('\n')
}
