import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

const config = join(import.meta.dirname, '../../config')
export const alertsFile = join(config, 'alerts.yaml')

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly gridPos: Box; readonly targets?: readonly { readonly expr: string }[] }[]
  readonly templating: { readonly list: readonly { readonly query: string | { readonly query: string } }[] }
}

interface Box { readonly x: number; readonly y: number; readonly w: number; readonly h: number }

export const rules = (parse(readFileSync(alertsFile, 'utf8')) as Rules).groups.flatMap((group) => group.rules)
export const dashboard = JSON.parse(readFileSync(join(config, 'grafana-dashboard.json'), 'utf8')) as Dashboard

/** Every query of the dashboard as Prometheus takes it, and of the rules. */
export const expressions: readonly string[] = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr.replaceAll('$instance', '.*'))),
  ...rules.map(({ expr }) => expr),
]

const words = new Set(['and', 'or', 'unless', 'bool', 'offset', 'by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])

/** The names in a query that are no function, label or word of the language. */
export function metricsOf(expression: string): string[] {
  const bare = expression
    .replaceAll(/"[^"]*"|'[^']*'/g, '').replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
  return [...bare.matchAll(/\b[a-zA-Z_:][\w:]*\b(?!\s*\()/g)].map(([name]) => name).filter((name) => !words.has(name))
}
