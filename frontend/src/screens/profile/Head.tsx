import { useState } from 'react'
import type { Answer } from '../../api/answer'
import type { Flame, Target } from '../../api/types'
import { shownState, targetName } from '../../profile/targets'
import { AsOf } from '../../ui/Freshness'
import { Icon } from '../../ui/Icon'
import { Link } from '../../ui/Link'
import { useResolved } from '../../ui/live'
import { change } from '../../ui/location'
import { stateStyle } from '../../ui/Status'
import { formatUrl, linkTo, type UrlState } from '../../url'

interface Props {
  url: UrlState
  answer: Answer<Flame>
  targets: Target[]
}

export function Head({ url, answer, targets }: Props) {
  return (
    <div className="screen-head">
      <div>
        <nav className="muted small" aria-label="Breadcrumb">
          <Link href={linkTo(url, 'services')}>Services</Link>
          {[url.cluster, url.namespace].filter(Boolean).map(part => ` / ${part}`)}
        </nav>
        <h1>{url.service}</h1>
      </div>
      <span className="spacer" />
      <AsOf answer={answer} />
      <VersionFilter url={url} targets={targets} />
      <TargetFilter url={url} targets={targets} />
      <CopyLink url={url} />
    </div>
  )
}

function VersionFilter({ url, targets }: Omit<Props, 'answer'>) {
  const versions = [...new Set([...targets.map(t => t.identity.version), url.version])].filter(Boolean).sort()
  if (versions.length < 2 && url.version === '') return null
  return (
    <select
      className="field"
      aria-label="Version"
      value={url.version}
      onChange={e => change({ version: e.target.value, zoom: [] })}
    >
      <option value="">All versions</option>
      {versions.map(version => (
        <option key={version}>{version}</option>
      ))}
    </select>
  )
}

function TargetFilter({ url, targets }: Omit<Props, 'answer'>) {
  const known = targets.some(t => t.series === url.series)
  return (
    <select
      className="field"
      aria-label="Target"
      value={url.series}
      onChange={e => change({ series: e.target.value, zoom: [] })}
    >
      <option value="">
        {targets.length === 1 ? 'All targets (1)' : `All ${targets.length || ''} targets`}
      </option>
      {targets.map(target => (
        <option key={target.series} value={target.series}>
          {targetName(target)}, {stateStyle(shownState(target)).label}
        </option>
      ))}
      {url.series !== '' && !known && <option value={url.series}>{url.series}, no longer reporting</option>}
    </select>
  )
}

/** A shared link shows what its sender saw, so its range is fixed. */
function CopyLink({ url }: { url: UrlState }) {
  const range = useResolved(url.range)
  const [copied, setCopied] = useState<'copied' | 'refused'>()
  const copy = async () => {
    const href = window.location.origin + formatUrl({ ...url, range: { kind: 'between', ...range } })
    try {
      await navigator.clipboard.writeText(href)
      setCopied('copied')
    } catch {
      setCopied('refused') // no permission, or no secure context
    }
    window.setTimeout(() => setCopied(undefined), 2000)
  }
  const text = { copied: 'Copied', refused: 'Not allowed', none: 'Copy link' }[copied ?? 'none']
  return (
    <button type="button" className="button" onClick={copy} title="A link to this view with its range fixed">
      <Icon name={copied === 'copied' ? 'ok' : 'link'} />
      {text}
    </button>
  )
}
