import type { JsonSchema, ListOption, MapOption, Option, ValueOption } from './schema.ts'

/** A schema that editors check and complete a file by: as strict as can be without refusing what `sluice config check` takes. */
export function jsonSchemaOf(options: MapOption, title: string, kind: 'config' | 'policy'): JsonSchema {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title, ...ofMap(options, kind) }
}

function of(option: Option, kind: 'config' | 'policy'): JsonSchema {
  switch (option.kind) {
    case 'value': return ofValue(option)
    case 'list': return ofList(option, kind)
    case 'map': return ofMap(option, kind)
  }
}

function ofValue({ doc, type, default: byDefault }: ValueOption): JsonSchema {
  const written = typeof byDefault === 'string' ? { default: byDefault } : {}
  return { description: `${doc}\n\nAllowed: ${type.allowed}.`, ...type.json ?? { type: ['string', 'number'] }, ...written }
}

function ofList(option: ListOption, kind: 'config' | 'policy'): JsonSchema {
  const items = of(option.item, kind)
  const list = { type: 'array', items, minItems: option.default === 'none' ? 0 : 1, maxItems: option.max }
  return option.single ? { description: option.doc, anyOf: [list, items] } : { description: option.doc, ...list }
}

/** In a policy only the key is required by which an item of a list is found again. */
function ofMap({ doc, fields }: MapOption, kind: 'config' | 'policy'): JsonSchema {
  const known = Object.entries(fields).filter(([, field]) => kind === 'policy' || !field.policyOnly)
  const required = known.filter(([name, field]) => kind === 'config' ? isRequired(field) : name === 'name').map(([name]) => name)
  return {
    description: doc, type: 'object', additionalProperties: false, ...(required.length > 0 && { required }),
    properties: Object.fromEntries(known.map(([name, field]) => [name, of(field, kind)])),
  }
}

function isRequired(option: Option): boolean {
  return option.kind !== 'map' && !option.optional && option.default === undefined
}
