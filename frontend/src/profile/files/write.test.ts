import { expect, test } from 'vitest'
import { nodeAt, treeOf } from '../testdata'
import { applyStep } from '../transform'
import { buildTree, pathTo, ROOT } from '../tree'
import { openProfile } from './open'
import { collapsedOf, type Shown, speedscopeOf } from './write'

const STACKS = { 'a.A.run;b.B.call': 30, 'a.A.run;b.B.call;c.C.x': 20, 'a.A.run': 10, 'd.D.y': 40 }

function shown(path = ''): Shown {
  const { profile, tree } = treeOf(STACKS)
  return { profile, tree, zoom: path === '' ? ROOT : nodeAt(profile, tree, path) }
}

async function stacksOf(file: Blob, index = 0): Promise<Record<string, number>> {
  const { profile } = (await openProfile(file))[index]
  const tree = buildTree(profile)
  const nodes = Array.from({ length: tree.size }, (_, node) => node).filter(node => tree.self[node] > 0)
  const name = (node: number) => profile.functions[tree.frame[node]]
  return Object.fromEntries(nodes.map(n => [pathTo(tree, n).map(name).join(';'), tree.self[n]]))
}

test.each([
  ['collapsed', (what: Shown) => collapsedOf(what)],
  ['speedscope', (what: Shown) => speedscopeOf(what, 'shop.cpu', 'ns', 'samples')],
])('%s reads back as it was written', async (_, write) => {
  expect(await stacksOf(write(shown()))).toEqual(STACKS)
})

test('below the zoomed frame the stacks are whole', async () => {
  const { 'a.A.run;b.B.call': one, 'a.A.run;b.B.call;c.C.x': other } = STACKS
  expect(await stacksOf(collapsedOf(shown('a.A.run;b.B.call')))).toEqual({
    'a.A.run;b.B.call': one,
    'a.A.run;b.B.call;c.C.x': other,
  })
})

test('steps are in the file', async () => {
  const { profile, tree } = treeOf(STACKS)
  const hidden = applyStep(profile, tree, { kind: 'hide', name: 'b.B.call' })
  const file = collapsedOf({ profile: hidden, tree: buildTree(hidden), zoom: ROOT })
  expect(await stacksOf(file)).toEqual({ 'a.A.run': 40, 'a.A.run;c.C.x': 20, 'd.D.y': 40 })
})

test('speedscope has the counts, too', async () => {
  const file = speedscopeOf(shown('d.D.y'), 'shop.cpu', 'ns', 'samples')
  expect(await stacksOf(file, 1)).toEqual({ 'd.D.y': 4 })
})

test('a separator in a name makes no frame of its own', async () => {
  const { profile, tree } = treeOf({ 'a.A.run': 1 })
  const named = { ...profile, functions: ['a;b'] }
  expect(await stacksOf(collapsedOf({ profile: named, tree, zoom: ROOT }))).toEqual({ 'a:b': 1 })
})
