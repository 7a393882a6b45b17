/**
 * Colours by kind of code, after async-profiler: Java green, C++ yellow, native red, kernel orange, class blue.
 * Kinds differ in lightness too, and all but Java carry a mark (see MARKS), so colour is never alone. The shade
 * within a kind comes from a hash of the package: the same code has the same colour everywhere, always.
 */
import { KINDS, OMITTED, type Profile } from '../profile/decode'
import { FRAMEWORK, groupOf, JDK } from '../profile/groups'
import { splitName } from '../profile/names'
import { type Oklch, oklchToPixel } from './oklch'

export type Theme = 'light' | 'dark'

/** How a graph is coloured. By package, what the user has written has hues, and the rest stands back. */
export interface Colors {
  theme: Theme
  coloring: 'kind' | 'package'
  greyed: Uint8Array | undefined // by function: 1 is drawn in grey
}

interface KindColor {
  hue: number
  chroma: number
  light: number // lightness in the light theme
  dark: number
}

const COLORS: Record<(typeof KINDS)[number], KindColor> = {
  java: { hue: 148, chroma: 0.12, light: 0.85, dark: 0.74 },
  native: { hue: 24, chroma: 0.115, light: 0.76, dark: 0.68 },
  cpp: { hue: 100, chroma: 0.12, light: 0.9, dark: 0.83 },
  kernel: { hue: 55, chroma: 0.135, light: 0.8, dark: 0.73 },
  class: { hue: 245, chroma: 0.085, light: 0.83, dark: 0.75 },
  omitted: { hue: 0, chroma: 0, light: 0.86, dark: 0.42 },
  other: { hue: 300, chroma: 0.05, light: 0.83, dark: 0.72 },
}

/** Shades of one kind: steps of lightness and hue, small enough to stay one colour. */
const SHADES = [-2, -1, 0, 1, 2] as const
const SHADE_LIGHTNESS = 0.022
const SHADE_HUE = 3

/** Functions that the legend greys out. */
const GREYED: Record<Theme, Oklch> = { light: { l: 0.9, c: 0, h: 0 }, dark: { l: 0.62, c: 0, h: 0 } }

const PACKAGE_CHROMA = 0.11
const HUES = 24
/** com.acme.checkout and all below it are of one hue. */
const PACKAGE_PARTS = 3

/** How a kind is marked at the bottom edge of its boxes: pixels on, pixels off. No mark for Java. */
export const MARKS: Record<(typeof KINDS)[number], readonly [number, number] | undefined> = {
  java: undefined,
  native: [1, 0],
  cpp: [2, 2],
  kernel: [6, 3],
  class: [1, 5],
  omitted: undefined,
  other: undefined,
}

/** Pixels of the surface that boxes lie on, as the CSS of each theme has it. */
const SURFACE: Record<Theme, Oklch> = {
  light: { l: 1, c: 0, h: 0 },
  dark: { l: 0.205, c: 0.008, h: 265 },
}

export interface Palette {
  theme: Theme
  surface: number
  root: number
  run: number // boxes too narrow to draw, as one
  hatch: number // lines over omitted frames
  fills: Uint32Array // by function
  faded: Uint32Array // by function: search leaves it out, or it is above the zoomed frame
  marks: Uint32Array // by function: colour of the mark
}

export function makePalette(profile: Profile, { theme, coloring, greyed }: Colors): Palette {
  const surface = SURFACE[theme]
  const fills = new Uint32Array(profile.functions.length)
  const faded = new Uint32Array(profile.functions.length)
  const marks = new Uint32Array(profile.functions.length)
  for (let fn = 0; fn < profile.functions.length; fn++) {
    const color = greyed?.[fn]
      ? GREYED[theme]
      : colorOf(profile.functions[fn], profile.kinds[fn], theme, coloring)
    fills[fn] = oklchToPixel(color)
    faded[fn] = oklchToPixel(fade(color, surface))
    marks[fn] = oklchToPixel({ ...color, l: color.l - 0.28 })
  }
  const grey = (l: number): number => oklchToPixel({ l, c: surface.c, h: surface.h })
  return {
    theme,
    surface: oklchToPixel(surface),
    root: grey(theme === 'light' ? 0.91 : 0.34),
    run: grey(theme === 'light' ? 0.82 : 0.4),
    hatch: grey(theme === 'light' ? 0.68 : 0.58),
    fills,
    faded,
    marks,
  }
}

/** The colour of a function, for legend and table: a CSS colour. */
export function swatchOf(name: string, kind: number, theme: Theme, coloring: Colors['coloring']): string {
  const { l, c, h } = colorOf(name, kind, theme, coloring, 0)
  return `oklch(${l} ${c} ${h})`
}

/** What the user has written is strong in colour, what comes from others weak. */
function colorOf(
  name: string,
  kind: number,
  theme: Theme,
  coloring: Colors['coloring'],
  shade = shadeOf(name, kind),
): Oklch {
  const color = kindColor(kind, theme, shade)
  if (KINDS[kind] !== 'java') return color
  const group = groupOf(name, kind)
  if (coloring === 'kind') return { ...color, c: color.c * (JAVA_CHROMA[group] ?? 1) }
  if (group === JDK) return { l: color.l, c: 0.025, h: 250 }
  if (group === FRAMEWORK) return { l: color.l, c: 0.05, h: 200 }
  return { l: COLORS.java[theme], c: PACKAGE_CHROMA, h: hueOf(name, kind) }
}

const JAVA_CHROMA: Record<string, number> = { [JDK]: 0.42, [FRAMEWORK]: 0.7 }

/** Hues of packages: far enough from each other to be told apart, each package always its own. */
function hueOf(name: string, kind: number): number {
  const parts = splitName(name, kind).scope.split('.', PACKAGE_PARTS)
  return (hash(parts.join('.')) % HUES) * (360 / HUES)
}

function kindColor(kind: number, theme: Theme, shade: number): Oklch {
  const color = COLORS[KINDS[kind]]
  if (kind === OMITTED) return { l: color[theme], c: 0, h: 0 }
  return { l: color[theme] + shade * SHADE_LIGHTNESS, c: color.chroma, h: color.hue + shade * SHADE_HUE }
}

function fade(color: Oklch, surface: Oklch): Oklch {
  return { l: surface.l + (color.l - surface.l) * 0.28, c: color.c * 0.22, h: color.h }
}

function shadeOf(name: string, kind: number): number {
  return SHADES[hash(splitName(name, kind).scope || name) % SHADES.length]
}

/** FNV-1a, without its last byte. */
function hash(text: string): number {
  let sum = 0x811c9dc5
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193)
  return sum >>> 8
}
