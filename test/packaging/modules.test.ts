import { expect, test } from 'vitest'
import { isShipped, productionModules } from '../../packaging/modules.ts'

test('the product brings what it needs everywhere, and nothing of its development', () => {
  const modules = productionModules({
    '': { version: '1.0.0' },
    'node_modules/b': { version: '2.0.0', license: 'MIT' },
    'node_modules/@scope/a/node_modules/@other/c': { version: '3.0.0' },
    'node_modules/tester': { version: '1.0.0', dev: true },
    'node_modules/faster': { version: '1.0.0', optional: true },
    'node_modules/either': { version: '1.0.0', devOptional: true },
  })
  expect(modules).toEqual([
    { path: 'node_modules/@scope/a/node_modules/@other/c', name: '@other/c', version: '3.0.0', license: 'unknown' },
    { path: 'node_modules/b', name: 'b', version: '2.0.0', license: 'MIT' },
  ])
})

test.each([
  ['index.js', true], ['dist/lib.cjs', true], ['package.json', true], ['module.wasm', true], ['LICENSE', true], ['licence.md', true],
  ['lib/testing.js', true], ['NOTICE', true],
  ['index.d.ts', false], ['index.js.map', false], ['README.md', false], ['test/index.js', false], ['lib/__tests__/a.js', false],
  ['a.test.js', false], ['.eslintrc.json', false], ['src/index.ts', false], ['test/LICENSE', false],
])('of a module, %s is shipped: %s', (path, shipped) => {
  expect(isShipped(path)).toBe(shipped)
})
