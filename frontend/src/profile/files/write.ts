/** What is on screen as files of other tools: the tree after the steps, below the zoomed frame. Pure. */
import { KINDS, type Profile } from '../decode'
import { pathTo, type Tree } from '../tree'
import { formatBytes } from '../units'

export interface Shown {
  profile: Profile
  tree: Tree
  zoom: number // the stacks with this node, whole
}

/** Every stack is written out, which for deep trees is much: a file beyond this is refused. */
export const MAX_COLLAPSED_LENGTH = 256 * 1024 * 1024

/** Lines of a;b;c 42. Throws an error that tells what to do if there would be too many. */
export function collapsedOf(shown: Shown): Blob {
  const { profile, tree } = shown
  const lines: string[] = []
  let length = 0
  for (const node of measured(shown)) {
    const names = pathTo(tree, node).map(n => collapsedName(profile.functions[tree.frame[n]]))
    const line = `${names.join(';')} ${tree.self[node]}\n`
    length += line.length
    if (length > MAX_COLLAPSED_LENGTH) {
      const limit = formatBytes(MAX_COLLAPSED_LENGTH)
      throw new Error(`As collapsed stacks this takes more than ${limit}; zoom in, or choose speedscope`)
    }
    lines.push(line)
  }
  return new Blob(lines, { type: 'text/plain' })
}

/** What separates frames and lines cannot be in a name. */
function collapsedName(name: string): string {
  return name.replaceAll(';', ':').replaceAll('\n', ' ')
}

const UNITS: Record<string, string> = { ns: 'nanoseconds', bytes: 'bytes' }

/** Two profiles, by value and by count, over one table of frames. */
export function speedscopeOf(shown: Shown, name: string, unit: string, countUnit: string): Blob {
  const { profile, tree } = shown
  const frames = profile.functions.map((fn, i) => ({ name: fn, file: KINDS[profile.kinds[i]] }))
  const nodes = measured(shown)
  const samples = nodes.map(node => pathTo(tree, node).map(n => tree.frame[n]))
  const sampled = (what: string, of: Float64Array, weightUnit: string) => {
    const weights = nodes.map(node => of[node])
    const endValue = weights.reduce((sum, weight) => sum + weight, 0)
    return { type: 'sampled', name: what, unit: weightUnit, startValue: 0, endValue, samples, weights }
  }
  const file = {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    exporter: 'podflame',
    name,
    shared: { frames },
    profiles: [
      sampled(name, tree.self, UNITS[unit] ?? 'none'),
      sampled(`${name}, ${countUnit}`, tree.selfCount, 'none'),
    ],
  }
  return new Blob([JSON.stringify(file)], { type: 'application/json' })
}

/** The nodes in which something was measured. */
function measured({ tree, zoom }: Shown): number[] {
  const nodes: number[] = []
  for (let node = Math.max(zoom, 1); node <= zoom + tree.descendants[zoom]; node++) {
    if (tree.self[node] > 0 || tree.selfCount[node] > 0) nodes.push(node)
  }
  return nodes
}
