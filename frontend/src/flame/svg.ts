/** What is shown as a drawing of its own: an SVG without scripts, every frame with its name. */
import { ROOT } from '../profile/tree'
import { formatCounted } from '../profile/units'
import { isFaded, type Scene } from './paint'
import { topOf } from './rows'
import { fitLabel, type Metrics } from './text'

const FONT = 'system-ui, sans-serif'
const PADDING = 4

/** The scene is laid out in CSS pixels; `words` are those of a frame's tooltip, `root` those of the root. */
export function toSVG(scene: Scene, metrics: Metrics, root: string, words: (node: number) => string): string {
  const { layout, rows } = scene
  const boxes: string[] = []
  for (let row = rows.fold; row < layout.rows; row++) {
    for (let i = layout.rowStart[row]; i < layout.rowStart[row + 1]; i++) {
      boxes.push(box(scene, metrics, i, topOf(rows, row), root, words))
    }
  }
  const size = `width="${layout.width}" height="${rows.sight}"`
  const background = `<rect ${size} fill="${hex(scene.palette.surface)}"/>`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="${FONT}" font-size="12">${background}${boxes.join('')}</svg>\n`
}

function box(
  scene: Scene,
  metrics: Metrics,
  i: number,
  top: number,
  root: string,
  words: (node: number) => string,
): string {
  const { layout, tree, profile, palette, rows } = scene
  const [node, hidden] = [layout.node[i], layout.hidden[i]]
  const width = layout.x1[i] - layout.x0[i]
  const fn = tree.frame[node]
  const fills = scene.nodeFills ?? palette
  const at = scene.nodeFills ? node : fn
  const faded = node !== ROOT && isFaded(scene, node)
  const fill =
    hidden > 0 ? palette.run : node === ROOT ? palette.root : (faded ? fills.faded : fills.fills)[at]
  const title =
    hidden > 0 ? `${formatCounted(hidden, 'frames')} too narrow to draw` : node === ROOT ? root : words(node)
  const room = width - 2 * PADDING
  const label =
    hidden > 0 ? '' : node === ROOT ? root : fitLabel(profile.functions[fn], profile.kinds[fn], room, metrics)
  const ink = palette.theme === 'dark' && (node === ROOT || faded) ? '#eef0f3' : '#0b0d10'
  const written =
    label === '' || room < PADDING
      ? ''
      : `<text x="${layout.x0[i] + PADDING}" y="${top + 14}" fill="${ink}">${escaped(label)}</text>`
  const gap = width > 3 ? rows.gap : 0
  return `<g><title>${escaped(title)}</title><rect x="${layout.x0[i]}" y="${top}" width="${width - gap}" height="${rows.height - rows.gap}" fill="${hex(fill)}"/>${written}</g>`
}

/** A pixel 0xAABBGGRR as CSS has it. */
function hex(pixel: number): string {
  const byte = (shift: number) => ((pixel >>> shift) & 255).toString(16).padStart(2, '0')
  return `#${byte(0)}${byte(8)}${byte(16)}`
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escaped(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has none of them, names may
  return text.replace(/[\u0000-\u0008\u000b-\u001f]/g, '\ufffd').replace(/[&<>"]/g, c => ENTITIES[c])
}
