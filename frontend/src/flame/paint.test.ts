import { describe, expect, test } from 'vitest'
import { KINDS } from '../profile/decode'
import { profileOf } from '../profile/testdata'
import { buildTree, ROOT } from '../profile/tree'
import { type Colors, makePalette, type Theme } from './colors'
import { layOut, spanOf } from './layout'
import { contrast, oklchToPixel } from './oklch'
import { paint, type Raster, type Scene } from './paint'
import { fitLabel, measureWith } from './text'

const profile = profileOf(
  { 'a;b': 60, 'a;native': 20, '(omitted)': 20 },
  { native: 'native', '(omitted)': 'omitted' },
)
const tree = buildTree(profile)

const DARK: Colors = { theme: 'dark', coloring: 'kind', greyed: undefined }

function sceneOf(change: Partial<Scene> = {}): Scene {
  const layout = layOut(tree, spanOf(tree, ROOT), 100)
  const palette = makePalette(profile, DARK)
  return {
    profile,
    tree,
    layout,
    palette,
    matched: undefined,
    zoom: ROOT,
    rows: { count: layout.rows, fold: 0, height: 10, gap: 1, scroll: 0, sight: 40, upward: false },
    ...change,
  }
}

function paintOn(scene: Scene, height = 40) {
  const raster: Raster = { pixels: new Uint32Array(100 * height), width: 100, height }
  paint(raster, scene)
  return (x: number, y: number) => raster.pixels[y * 100 + x]
}

const fn = (name: string) => profile.functions.indexOf(name)

describe('paint', () => {
  test('each box in its colour, gaps between rows and boxes', () => {
    const scene = sceneOf()
    const at = paintOn(scene)
    const { palette } = scene
    expect([at(50, 0), at(50, 8), at(50, 9)]).toEqual([palette.root, palette.root, palette.surface])
    expect([at(10, 12), at(79, 12)]).toEqual([palette.fills[fn('a')], palette.surface])
    expect([at(10, 25), at(70, 25)]).toEqual([palette.fills[fn('b')], palette.fills[fn('native')]])
    expect([at(90, 25), at(10, 35)]).toEqual([palette.surface, palette.surface])
  })

  test('what is omitted is hatched, what is not Java is marked', () => {
    const scene = sceneOf()
    const at = paintOn(scene)
    const row = Array.from({ length: 19 }, (_, i) => at(80 + i, 14))
    expect(new Set(row)).toEqual(new Set([scene.palette.fills[fn('(omitted)')], scene.palette.hatch]))
    expect([at(70, 28), at(10, 28)]).toEqual([
      scene.palette.marks[fn('native')],
      scene.palette.fills[fn('b')],
    ])
  })

  test('search fades the rest', () => {
    const matched = Uint8Array.from(profile.functions, name => (name === 'b' ? 1 : 0))
    const scene = sceneOf({ matched })
    const at = paintOn(scene)
    expect([at(10, 12), at(10, 25)]).toEqual([scene.palette.faded[fn('a')], scene.palette.fills[fn('b')]])
  })

  test('scrolled by half a row', () => {
    const { rows } = sceneOf()
    const scene = sceneOf({ rows: { ...rows, scroll: 15, sight: 20 } })
    const at = paintOn(scene, 20)
    expect([at(10, 0), at(10, 4), at(10, 5)]).toEqual([
      scene.palette.fills[fn('a')],
      scene.palette.surface,
      scene.palette.fills[fn('b')],
    ])
  })
})

test('upward, and folded to a zoomed frame', () => {
  const { rows } = sceneOf()
  const up = sceneOf({ rows: { ...rows, upward: true } })
  const at = paintOn(up)
  expect([at(10, 35), at(10, 22), at(10, 12)]).toEqual([
    up.palette.root,
    up.palette.fills[fn('a')],
    up.palette.fills[fn('b')],
  ])
  const folded = paintOn(sceneOf({ rows: { ...rows, fold: 1 } }))
  expect([folded(10, 2), folded(10, 12)]).toEqual([up.palette.fills[fn('a')], up.palette.fills[fn('b')]])
})

describe('colours', () => {
  const kinds = KINDS.map(kind => [kind, kind] as const)
  const everyKind = profileOf(
    Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => KINDS.map(k => [`p${i}.${k}.C.m`, 1] as const)).flat(),
    ),
    Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => KINDS.map(k => [`p${i}.${k}.C.m`, k] as const)).flat(),
    ),
  )
  const inks = { light: { l: 0.21, c: 0, h: 0 }, dark: { l: 0.16, c: 0, h: 0 } }
  test.each([
    ['light', 'kind', 0],
    ['dark', 'kind', 0],
    ['light', 'package', 0],
    ['dark', 'package', 0],
    ['light', 'kind', 1],
    ['dark', 'kind', 1],
  ] as const)(
    'labels on boxes have a contrast of 4.5 at least: %s by %s, greyed %d',
    (theme: Theme, coloring, grey) => {
      const greyed = new Uint8Array(everyKind.functions.length).fill(grey)
      const { fills } = makePalette(everyKind, { theme, coloring, greyed })
      const ink = inks[theme]
      const omitted = KINDS.indexOf('omitted')
      const worst = Math.min(
        ...[...fills]
          .filter((_, i) => everyKind.kinds[i] !== omitted)
          .map(fill => contrast(fill, oklchToPixel(ink))),
      )
      expect(worst).toBeGreaterThan(4.5)
      expect(kinds.length).toBe(7)
    },
  )
  test('equal on every run', () => {
    expect(makePalette(profile, DARK)).toEqual(makePalette(profile, DARK))
  })
  test('white and black', () => {
    expect([oklchToPixel({ l: 1, c: 0, h: 0 }), oklchToPixel({ l: 0, c: 0, h: 0 })]).toEqual([
      0xffffffff, 0xff000000,
    ])
    expect(contrast(0xffffffff, 0xff000000)).toBeCloseTo(21)
  })
})

test('labels keep Class.method, then the method, then its beginning', () => {
  const metrics = measureWith(text => text.length * 10)
  const label = (width: number) => fitLabel('com.acme.Pricing.evaluate', 0, width, metrics)
  expect([label(160), label(159), label(80), label(79), label(40), label(29)]).toEqual([
    'Pricing.evaluate',
    'evaluate',
    'evaluate',
    'evalua…',
    'eva…',
    '',
  ])
})
