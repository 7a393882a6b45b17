import { expect, test } from 'vitest'
import { omittedBelow, pathToOmitted } from './omitted'
import { nodeAt, profileOf } from './testdata'
import { buildTree, ROOT } from './tree'

const profile = profileOf(
  { 'a;b;c': 50, 'a;b;(omitted)': 20, 'a;(omitted)': 5, 'a;d': 4, '(omitted)': 1 },
  { '(omitted)': 'omitted' },
)
const tree = buildTree(profile)
const at = (path: string) => nodeAt(profile, tree, path)

test('omitted frames are summed below a frame', () => {
  expect(omittedBelow(profile, tree, ROOT)).toBe(26)
  expect(omittedBelow(profile, tree, at('a'))).toBe(25)
  expect(omittedBelow(profile, tree, at('a;b'))).toBe(20)
  expect(omittedBelow(profile, tree, at('a;b;(omitted)'))).toBe(20)
  expect(omittedBelow(profile, tree, at('a;d'))).toBe(0)
})

test('what is asked for is the frame, or that which the omitted frames are below', () => {
  expect(pathToOmitted(profile, tree, at('a;b'))).toEqual(['a', 'b'])
  expect(pathToOmitted(profile, tree, at('a;b;(omitted)'))).toEqual(['a', 'b'])
  expect(pathToOmitted(profile, tree, at('(omitted)'))).toEqual([])
})
