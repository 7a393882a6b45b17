import { useState } from 'react'
import { OMITTED } from '../../profile/decode'
import { KIND_LABELS, splitName } from '../../profile/names'
import { topRow } from '../../profile/top'
import { isWithin, type StepKind } from '../../profile/transform'
import { ROOT } from '../../profile/tree'
import { formatCount, formatPercent, formatSamples, formatValue } from '../../profile/units'
import { Icon } from '../../ui/Icon'
import { Link } from '../../ui/Link'
import { useResolved } from '../../ui/live'
import { change, currentUrl } from '../../ui/location'
import { changed, formatUrl, type UrlState } from '../../url'
import type { Model } from './model'
import { namesTo } from './PathLine'

/** What the card is about: a node of a tree, or (node < 0) a function in all its places. */
export interface Subject {
  model: Model
  node: number
  fn: string
}

interface Props {
  url: UrlState
  subject: Subject
  stored: boolean // in the backend: it can be compared and linked to
  onClose(): void
}

/** A frame in figures, and all that can be done with it. Stays until it is closed. */
export function FrameCard({ url, subject, stored, onClose }: Props) {
  const { model, node, fn } = subject
  const { profile, flame } = model
  const index = profile.functions.indexOf(fn)
  if (node === ROOT || index < 0 || profile.kinds[index] === OMITTED) return null
  const { scope, short } = splitName(fn, profile.kinds[index])
  return (
    <section className="frame-card" aria-label={`Frame ${fn}`}>
      <div className="frame-card-head">
        <h2 className="cut" title={fn}>
          {short}
        </h2>
        {scope && <span className="muted cut">{scope.slice(0, -1)}</span>}
        <span className="chip">{KIND_LABELS[profile.kinds[index]]}</span>
        {node < 0 && <span className="muted small nowrap">all its calls</span>}
        <span className="spacer" />
        <Copies url={url} subject={subject} stored={stored} />
        <button type="button" className="button quiet square" aria-label="Close the card" onClick={onClose}>
          <Icon name="bad" />
        </button>
      </div>
      <dl className="frame-card-facts">
        {amountsOf(subject, index).map(([name, value, count]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <strong>{formatValue(flame.unit, value)}</strong>{' '}
              <span>{formatPercent(value, flame.total.value)} of total</span>{' '}
              <span className="muted">{formatSamples(count, flame.countUnit)}</span>
            </dd>
          </div>
        ))}
        {flame.coverage.windows.expected > 0 && (
          <div>
            <dt>Coverage</dt>
            <dd>
              {formatCount(flame.coverage.windows.stored)} / {formatCount(flame.coverage.windows.expected)}{' '}
              windows
            </dd>
          </div>
        )}
      </dl>
      <Actions
        url={url}
        stored={stored}
        fn={fn}
        scope={scope.slice(0, -1)}
        recursive={isRecursive(model, index)}
      />
    </section>
  )
}

function amountsOf({ model, node }: Subject, fn: number): [string, number, number][] {
  const { tree, profile } = model
  if (node >= 0) {
    return [
      ['Total', tree.total[node], tree.totalCount[node]],
      ['Self', tree.self[node], tree.selfCount[node]],
    ]
  }
  const row = topRow(profile, tree, fn)
  return row
    ? [
        ['Total', row.total, row.totalCount],
        ['Self', row.self, row.selfCount],
      ]
    : []
}

function isRecursive({ tree }: Model, fn: number): boolean {
  let until = -1
  for (let node = 1; node < tree.size; node++) {
    if (tree.frame[node] !== fn) continue
    if (node <= until) return true
    until = node + tree.descendants[node]
  }
  return false
}

interface ActionsProps {
  url: UrlState
  stored: boolean
  fn: string
  scope: string
  recursive: boolean
}

function Actions({ url, stored, fn, scope, recursive }: ActionsProps) {
  const step =
    (kind: StepKind, name = fn) =>
    () =>
      change({ steps: [...currentUrl().steps, { kind, name }] })
  const library = scope !== '' && isWithin(fn, scope) ? scope : ''
  return (
    <div className="frame-card-actions" role="group" aria-label="What to do with it">
      <button type="button" className="button" title="Only stacks with it" onClick={step('focus')}>
        Focus
      </button>
      <button
        type="button"
        className="button"
        title="Merge its frames into their callers"
        onClick={step('hide')}
      >
        Hide
      </button>
      <button type="button" className="button" title="Take out all stacks with it" onClick={step('remove')}>
        Remove
      </button>
      {recursive && (
        <button
          type="button"
          className="button"
          title="Its calls below itself become one frame"
          onClick={step('recursion')}
        >
          Collapse recursion
        </button>
      )}
      {library && (
        <button
          type="button"
          className="button"
          title={`Adjacent frames of ${library} become one`}
          onClick={step('library', library)}
        >
          Collapse package
        </button>
      )}
      <button
        type="button"
        className="button"
        onClick={() => change({ view: 'sandwich', fn })}
        aria-pressed={url.view === 'sandwich' && url.fn === fn}
      >
        Callers and callees
      </button>
      {stored && (
        <Link className="button" href={formatUrl({ ...url, screen: 'compare', fn, zoom: [], steps: [] })}>
          Compare
        </Link>
      )}
    </div>
  )
}

/** Name, stack and link; a link shows what its sender saw, so its range is fixed. */
function Copies({ url, subject, stored }: Pick<Props, 'url' | 'subject' | 'stored'>) {
  const { model, node, fn } = subject
  const range = useResolved(url.range)
  const [said, say] = useState('')
  const copy = (what: string, text: string) => () => {
    const done = () => say(`${what} copied`)
    navigator.clipboard?.writeText(text).then(done, () => say('The browser does not allow it'))
    if (!navigator.clipboard) say('Copying needs https')
  }
  const link = () => {
    const zoom = node > 0 ? namesTo(model, node) : url.zoom
    const shown = changed(url, { fn, zoom, range: { kind: 'between', ...range } })
    return window.location.origin + formatUrl(shown)
  }
  return (
    <>
      <span className="muted small nowrap" role="status">
        {said}
      </span>
      <button type="button" className="button text small" onClick={copy('Name', fn)}>
        Copy name
      </button>
      {node > 0 && (
        <button
          type="button"
          className="button text small"
          onClick={copy('Stack', namesTo(model, node).join(';'))}
        >
          Copy stack
        </button>
      )}
      {stored && (
        <button type="button" className="button text small" onClick={copy('Link', link())}>
          Copy link
        </button>
      )}
    </>
  )
}
