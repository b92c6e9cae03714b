import ts from 'typescript'
import { describe, expect, test } from 'vitest'

import { importsOf, projectFiles, runtimeImportsOf, textOf } from './files.ts'

/**
 * The pure core. Listed here and not marked in the files: a reviewer then sees in one place what is claimed, and a file
 * cannot leave the core by losing a comment. A new file of the core is added here.
 */
const pure = new Set([
  'config/changes.ts', 'config/json-schema.ts', 'config/nearest.ts', 'config/options.ts', 'config/parse.ts', 'config/problem.ts', 'config/reader.ts', 'config/recipient.ts', 'config/rules.ts', 'config/schema.ts', 'config/store-options.ts',
  'config/types.ts', 'config/units.ts',
  'src/budget/cap.ts', 'src/budget/civil-day.ts', 'src/budget/clock-back.ts', 'src/budget/forecast.ts', 'src/budget/plan.ts', 'src/budget/proc-net.ts', 'src/budget/usage.ts',
  'src/capture/globs.ts', 'src/capture/path-key.ts', 'src/capture/stream.ts',
  'src/collector/limits.ts', 'src/collector/pack-check.ts', 'src/collector/placement.ts', 'src/collector/refusal.ts', 'src/collector/s3-layout.ts', 'src/collector/secrets.ts',
  'src/collector/store.ts', 'src/collector/upload-id.ts', 'src/observe/collector-events.ts',
  'src/compress/frames/bit-coder.ts', 'src/compress/frames/canonical.ts', 'src/compress/frames/proven.ts', 'src/compress/frames/code-head.ts', 'src/compress/frames/codec.ts', 'src/compress/frames/color-bytes.ts',
  'src/compress/frames/frame.ts', 'src/compress/frames/picture.ts', 'src/compress/frames/pixel-kernel.ts', 'src/compress/frames/pixel-model-wasm.ts', 'src/compress/frames/png-rows-wasm.ts',
  'src/compress/frames/png-rows.ts', 'src/compress/frames/png.ts', 'src/compress/frames/residuals.ts', 'src/compress/frames/search.ts',
  'src/compress/frames/walk.ts',
  'src/compress/json-lines/container.ts', 'src/compress/json-lines/decode.ts', 'src/compress/json-lines/encode.ts',
  'src/compress/json-lines/ends.ts', 'src/compress/json-lines/failure.ts', 'src/compress/json-lines/forms.ts', 'src/compress/json-lines/integers.ts',
  'src/compress/json-lines/layout.ts', 'src/compress/json-lines/limits.ts', 'src/compress/json-lines/model.ts', 'src/compress/json-lines/names.ts',
  'src/compress/json-lines/numbers.ts', 'src/compress/json-lines/parser.ts', 'src/compress/json-lines/predict.ts', 'src/compress/json-lines/proven.ts',
  'src/compress/json-lines/read-columns.ts', 'src/compress/json-lines/read-symbols.ts', 'src/compress/json-lines/render.ts',
  'src/compress/json-lines/snapshot.ts', 'src/compress/json-lines/style.ts', 'src/compress/json-lines/text-reader.ts',
  'src/compress/json-lines/times.ts', 'src/compress/json-lines/write-columns.ts',
  'src/compress/choose.ts', 'src/compress/wasm.ts', 'src/compress/codec.ts', 'src/compress/raw.ts', 'src/compress/zstd-frame.ts', 'src/compress/zstd-native.ts',
  'src/observe/page/across.ts', 'src/observe/page/day-bars.ts', 'src/observe/page/days.ts', 'src/observe/page/document.ts', 'src/observe/report/fleet.ts', 'src/observe/report/line-scanner.ts', 'src/observe/report/page.ts', 'src/observe/report/report.ts', 'src/observe/report/seen.ts', 'src/observe/report/summary-line.ts', 'src/observe/report/tables.ts',
  'src/observe/error-codes.ts', 'src/observe/error.ts', 'src/observe/events.ts', 'src/observe/fields.ts', 'src/observe/for-it.ts', 'src/observe/failure.ts', 'src/observe/summary.ts', 'src/observe/log/line.ts',
  'src/pack/age-payload.ts', 'src/pack/ahead.ts', 'src/pack/block-coder.ts', 'src/pack/body.ts', 'src/pack/builder.ts', 'src/pack/byte-cache.ts', 'src/pack/bytes.ts', 'src/pack/chunker.ts', 'src/pack/cut.ts', 'src/pack/device-log.ts', 'src/pack/pieces.ts', 'src/workers/shared-memory.ts', 'src/workers/workers.ts', 'src/workers/jobs.ts', 'src/pack/gear-wasm.ts', 'src/pack/frame-chunk.ts', 'src/pack/frame-packer.ts', 'src/pack/frame-run.ts', 'src/journal/kept-frames.ts',
  'src/pack/header.ts', 'src/pack/lineage.ts', 'src/pack/manifest.ts', 'src/pack/read-pack.ts', 'src/pack/trial-policy.ts', 'src/pack/sha256.ts', 'src/pack/versions.ts',
  'src/power/on-mains.ts',
  'daemon/service/launchd.ts', 'daemon/service/place.ts', 'daemon/service/systemd.ts', 'daemon/service/windows.ts',
  'src/scheduler/conditions.ts', 'src/scheduler/explain.ts', 'src/scheduler/effort.ts', 'src/scheduler/gate.ts', 'src/scheduler/reasons.ts',
  'src/scheduler/simulate/backlog.ts', 'src/scheduler/simulate/day.ts', 'src/scheduler/simulate/memory-usage.ts', 'src/scheduler/simulate/moment.ts', 'src/scheduler/simulate/page.ts', 'src/scheduler/simulate/picture.ts', 'src/scheduler/simulate/report.ts', 'src/scheduler/simulate/result.ts', 'src/scheduler/simulate/sample.ts', 'src/scheduler/simulate/simulated-judge.ts', 'src/scheduler/simulate/simulation.ts', 'src/scheduler/simulate/trace.ts',
  'src/transfer/link/bucket.ts', 'src/transfer/link/wire-cost.ts', 'src/transfer/link/window.ts', 'src/transfer/link/proxy-address.ts', 'src/transfer/link/yielding.ts', 'src/network/overrides.ts', 'src/capture/drop-store.ts', 'src/capture/drop-spans.ts', 'src/capture/holes.ts', 'src/control/networks.ts', 'src/control/api.ts', 'src/control/wishes.ts', 'src/control/doctor/facts.ts', 'src/control/doctor/findings.ts',
  'src/scheduler/budget-findings.ts', 'src/scheduler/gentle.ts', 'src/scheduler/network-findings.ts', 'src/scheduler/power-findings.ts', 'src/scheduler/windows.ts',
  'src/network/hotspot.ts', 'src/network/links.ts', 'src/network/macos-facts.ts', 'src/network/manager-facts.ts', 'src/network/route-table.ts', 'src/network/windows-facts.ts',
  'src/power/cross-check.ts', 'src/power/pmset.ts', 'src/power/windows-power.ts', 'src/journal/pause.ts',
  'src/scheduler/faults.ts', 'src/scheduler/retry-plan.ts', 'src/scheduler/queues.ts', 'src/scheduler/words.ts',
  'src/transfer/destination-rules.ts', 'src/transfer/destination.ts', 'src/transfer/s3/address.ts', 'src/transfer/s3/listing.ts', 'src/transfer/tus-address.ts', 'src/transfer/tus-answer.ts', 'src/transfer/connection-error.ts', 'src/transfer/refusal.ts',
])

/** Packages that compute and touch nothing. `node:crypto` hashes; what it draws at random is caught below. */
const purePackages = new Set(['node:buffer', 'node:crypto', 'node:path', 'node:url', 'node:util', 'node:zlib', 'yaml'])

/**
 * What a pure file may not do: look at a clock, draw at random, wait, or reach the process, a terminal or a network.
 */
const effects = /\b(Date\.now|new Date\(\)|performance\.|Math\.random|random(Bytes|UUID|Int|Fill)|getRandomValues|set(Timeout|Interval|Immediate)|process\.|fetch\(|console\.)/

const sources = projectFiles().filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
const inSource = sources.filter((path) => path.startsWith('src/'))

/** A file without its comments and types: what runs. */
function code(path: string): string {
  const compilerOptions = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    removeComments: true,
  }
  return ts.transpileModule(textOf(path), { compilerOptions }).outputText
}

test('src/ imports nothing of daemon/, cli/, or the parts of config/ that read the machine', () => {
  const forbidden = /^(daemon|cli|test|bench)\/|^config\/(load|locate|policy-folder|read-text|generate-docs)\.ts$/
  const wrong = inSource.flatMap((path) => importsOf(path).filter((target) => forbidden.test(target)).map(
    (target) => `${path} → ${target}`,
  ))
  expect(wrong).toEqual([])
})

test('only daemon/, cli/, config/, bench/, packaging/ and tests read environment variables', () => {
  const wrong = sources.filter(
    (path) => !/^(daemon|cli|config|bench|packaging|test)\//.test(path) && /\bprocess\s*\.\s*env\b|\bprocess\s*\[|\benv\b.*node:process/.test(code(path)),
  )
  expect(wrong).toEqual([])
})

test('daemon/ does not import cli/', () => {
  const crossing = (from: string, to: string) => sources.filter((path) => path.startsWith(from)).flatMap((path) => runtimeImportsOf(path).filter((target) => target.startsWith(to)))
  expect(crossing('daemon/', 'cli/')).toEqual([])
})

describe('the pure core', () => {
  test('is there', () => {
    expect([...pure].filter((path) => !sources.includes(path))).toEqual([])
  })

  test('imports only the pure core, and packages that touch nothing', () => {
    const wrong = [...pure].flatMap((path) => runtimeImportsOf(path)
      .filter((target) => !pure.has(target) && !purePackages.has(target))
      .map((target) => `${path} → ${target}`))
    expect(wrong).toEqual([])
  })

  test('asks for no time, chance, process or network', () => {
    const wrong = [...pure].flatMap((path) => {
      const found = effects.exec(code(path))
      return found ? [`${path}: ${found[0]}`] : []
    })
    expect(wrong).toEqual([])
  })
})
