import { expect, test } from 'vitest'
import { treeOf } from '../profile/testdata'
import { ROOT } from '../profile/tree'
import { makePalette } from './colors'
import { layOut, sightOf } from './layout'
import { toSVG } from './svg'
import { measureWith } from './text'

test('every frame in its place, with its name, and nothing that could run', () => {
  const { profile, tree } = treeOf({ 'a.B.c;<script>': 60, 'a.B.c;d': 40 })
  const layout = layOut(tree, sightOf(tree, ROOT), 200)
  const rows = { count: layout.rows, fold: 0, height: 20, gap: 1, scroll: 0, sight: 60, upward: false }
  const palette = makePalette(profile, { theme: 'light', coloring: 'kind', greyed: undefined })
  const scene = { profile, tree, layout, palette, matched: undefined, zoom: ROOT, rows }
  const names = (node: number) => profile.functions[tree.frame[node]]
  const svg = toSVG(
    scene,
    measureWith(text => text.length * 6),
    'all: 100',
    names,
  )
  expect(svg).toContain('<title>&lt;script&gt;</title><rect x="0" y="40" width="119" height="19"')
  expect(svg).toContain('<title>d</title><rect x="120" y="40" width="79" height="19"')
  expect(svg).toContain('>B.c</text>')
  expect(svg).not.toContain('<script')
  expect(svg.match(/<rect/g)?.length).toBe(5)
})
