import { XMLParser, XMLValidator } from 'fast-xml-parser'

/** What an element holds: text, elements, or lists of them. Nothing but the functions below looks into it. */
export type XmlElement = Readonly<Record<string, unknown>>

/** A thousand names of 1 kB each, with all that is told of them. */
export const mostXmlBytes = 4 << 20
/** Answers of stores are four deep. Deeper, and recursion in a parser becomes an attack. */
const mostDepth = 16

const parser = new XMLParser({
  ignoreAttributes: true, ignoreDeclaration: true, parseTagValue: false, removeNSPrefix: true,
  processEntities: false, maxNestedTags: mostDepth,
})

/** The root element of a document, or undefined when that has another name or the document is not well-formed. */
export function parseXml(document: string, root: string): XmlElement | undefined {
  const text = document.trim() // Amazon sends spaces ahead of an answer to keep a connection open
  if (document.length >= mostXmlBytes || !text.startsWith('<') || /<!(DOCTYPE|ENTITY)/i.test(text)) return undefined
  try {
    if (XMLValidator.validate(text) !== true) return undefined
    const parsed: unknown = parser.parse(text)
    return asElement(valueOf(asElement(parsed), root))
  } catch {
    return undefined
  }
}

/** The text of a child; undefined where there is none or it has children itself. */
export function textOf(element: XmlElement, name: string): string | undefined {
  const value = valueOf(element, name)
  return typeof value === 'string' ? unescape(value) : undefined
}

/** The children of a name that are elements. */
export function childrenOf(element: XmlElement, name: string): XmlElement[] {
  const value = valueOf(element, name)
  return (Array.isArray(value) ? value as unknown[] : [value]).map(asElement).filter((child) => child !== undefined)
}

function valueOf(element: XmlElement | undefined, name: string): unknown {
  return element && Object.hasOwn(element, name) ? element[name] : undefined
}

function asElement(value: unknown): XmlElement | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as XmlElement : undefined
}

/** The five entities that XML itself knows. */
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'' }

function unescape(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (whole, name: string) => entities[name] ?? whole)
}

/** Text as it may stand in an element. */
export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** A key in an element of a listing. Stores that do not encode as they were asked say so by not naming the encoding. */
export function keyIn(listing: XmlElement, element: XmlElement, name: string): string | undefined {
  const text = textOf(element, name)
  if (text === undefined || textOf(listing, 'EncodingType') !== 'url') return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
