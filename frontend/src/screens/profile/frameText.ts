/** One frame in words, for the tooltip and for those who cannot see the canvas. */
import { OMITTED } from '../../profile/decode'
import { KIND_LABELS, splitName } from '../../profile/names'
import { ROOT } from '../../profile/tree'
import { formatCounted, formatPercent, formatSamples, formatValue } from '../../profile/units'
import type { Model } from './model'

export interface FrameText {
  title: string
  scope: string
  kind: string
  rows: { name: string; value: string; count: string; shares: string[] }[]
  note: string
}

/** The reason stacks_cut; what the limit of nodes leaves out has nothing below it. */
const CUT_OUT = 'Between the frames above and below; the backend had no room for them (stacks_cut)'

export function frameText(model: Model, node: number, zoom: number): FrameText {
  const { tree, profile } = model
  const fn = tree.frame[node]
  const rows = [row(model, 'Total', tree.total[node], tree.totalCount[node], zoom)]
  if (node === ROOT) return { title: 'all', scope: '', kind: '', rows, note: 'Everything in the range' }
  if (profile.kinds[fn] === OMITTED) {
    const inTheMiddle = tree.childStart[node] < tree.childStart[node + 1]
    const note = inTheMiddle
      ? CUT_OUT
      : 'Cut off by the limit of nodes; zoomed in, those of one frame can be shown'
    return { title: 'Omitted frames', scope: '', kind: '', rows, note }
  }
  rows.push(row(model, 'Self', tree.self[node], tree.selfCount[node], zoom))
  const { scope, short } = splitName(profile.functions[fn], profile.kinds[fn])
  return {
    title: short,
    scope: scope.replace(/\.$/, ''),
    kind: KIND_LABELS[profile.kinds[fn]],
    rows,
    note: '',
  }
}

/** A run of siblings that are too narrow to draw, of which node is the heaviest. */
export function runText(model: Model, node: number, hidden: number, zoom: number): FrameText {
  const { tree, profile } = model
  const parent = tree.parent[node]
  let value = 0
  let count = 0
  let below = 0
  const end = tree.childStart[parent + 1]
  for (let i = end - hidden; i < end; i++) {
    value += tree.total[tree.children[i]]
    count += tree.totalCount[tree.children[i]]
    below += tree.descendants[tree.children[i]]
  }
  const fn = tree.frame[node]
  return {
    title: `${formatCounted(hidden, 'frames')} too narrow to draw`,
    scope: '',
    kind: '',
    rows: [row(model, 'Together', value, count, zoom)],
    note: `with ${formatCounted(below, 'frames')} below. Click to zoom into the heaviest: ${splitName(profile.functions[fn], profile.kinds[fn]).short}`,
  }
}

function row({ tree, flame }: Model, name: string, value: number, count: number, zoom: number) {
  const shares = [`${formatPercent(value, flame.total.value)} of total`]
  if (zoom !== ROOT) shares.push(`${formatPercent(value, tree.total[zoom])} of zoomed`)
  return {
    name,
    value: formatValue(flame.unit, value),
    count: formatSamples(count, flame.countUnit),
    shares,
  }
}

export function describe(model: Model, node: number, zoom: number): string {
  const { title, scope, kind, rows } = frameText(model, node, zoom)
  const name = scope ? `${scope}.${title}` : title
  const amounts = rows.map(r => `${r.name.toLowerCase()} ${r.value}, ${r.shares.join(', ')}`)
  return [name, kind, ...amounts].filter(Boolean).join(' · ')
}
