import { describe, expect, test } from 'vitest'
import { matchedAmount, matchFunctions, matchingNodes, parseQuery } from './search'
import { nodeAt, treeOf } from './testdata'
import { ROOT } from './tree'

function search(text: string, stacks: Record<string, number>) {
  const query = parseQuery(text)
  if (query.kind !== 'valid') throw new Error(`${text} is ${query.kind}`)
  const { profile, tree } = treeOf(stacks)
  return { profile, tree, matched: matchFunctions(profile.functions, query.matches) }
}

describe('query', () => {
  test.each([
    ['hash', 'java.util.HashMap.get', true],
    ['HASH', 'java.util.HashMap.get', true],
    ['/^java/', 'java.util.HashMap.get', true],
    ['/hash/', 'java.util.HashMap.get', false],
    ['/hash/i', 'java.util.HashMap.get', true],
    ['a.b', 'aXb', false],
    ['/', 'a/b', true],
  ])('%s in %s: %s', (text, name, expected) => {
    const query = parseQuery(text)
    expect(query.kind === 'valid' && query.matches(name)).toBe(expected)
  })
  test('nothing and nonsense', () => {
    expect(parseQuery('  ').kind).toBe('none')
    expect(parseQuery('/(/').kind).toBe('invalid')
  })
})

test('a match below a match counts once', () => {
  const { tree, matched } = search('x', { 'x1;a;x2': 30, 'b;x2': 20, c: 50 })
  expect(matchedAmount(tree, matched, ROOT)).toEqual({ value: 50, count: 5, nodes: 3 })
})

test('of the zoomed frame', () => {
  const { profile, tree, matched } = search('x', { 'a;x': 30, 'a;b': 10, 'c;x': 60 })
  expect(matchedAmount(tree, matched, nodeAt(profile, tree, 'a'))).toEqual({ value: 30, count: 3, nodes: 1 })
})

test('matches from left to right, then downwards', () => {
  const { profile, tree, matched } = search('x', { 'a;x1;x2': 10, 'b;x1': 40, x3: 20 })
  const names = [...matchingNodes(tree, matched, ROOT)].map(n => profile.functions[tree.frame[n]])
  expect(names).toEqual(['x1', 'x3', 'x1', 'x2'])
})
