import { useState } from 'react'
import { useFlame, useHeatmap, useSeries, useTargets, useThreads } from '../../api/queries'
import { emptinessOf } from '../../profile/emptiness'
import { Failure, Loading, Undrawable } from '../../ui/Empty'
import { StaleNotice } from '../../ui/Freshness'
import { useLive, useResolved } from '../../ui/live'
import { pathInside, type UrlState } from '../../url'
import { Head } from './Head'
import { type Model, useModel } from './model'
import { Summary } from './Summary'
import { Timeline } from './Timeline'
import { WhyEmpty } from './WhyEmpty'
import { Workspace } from './Workspace'

export function Profile({ url }: { url: UrlState }) {
  const { now } = useLive()
  const range = useResolved(url.range)
  const series = useSeries(url, range)
  const flame = useFlame(url, range, { nodes: url.nodes, path: pathInside(url) })
  const heatmap = useHeatmap(url, range, url.timeline === 'heat')
  const [choosing, setChoosing] = useState(false)
  const threads = useThreads(url, range, choosing || url.timeline === 'threads')
  const targets = useTargets(now, url)
  const model = useModel(flame)
  const [ledgerOpen, setLedgerOpen] = useState(false)
  const known = targets.data?.targets ?? NO_TARGETS
  return (
    <>
      <Head url={url} answer={flame} targets={known} threads={threads} onChoose={setChoosing} />
      <StaleNotice answer={flame} />
      {series.data && (
        <Timeline
          url={url}
          series={series.data}
          targets={known}
          heatmap={heatmap}
          threads={threads}
          old={series.old}
        />
      )}
      {model instanceof Error ? (
        <Undrawable error={model} />
      ) : model ? (
        <Body
          url={url}
          model={model}
          targets={known}
          old={flame.old}
          range={range}
          ledgerOpen={ledgerOpen}
          onLedger={setLedgerOpen}
        />
      ) : flame.error ? (
        <Failure error={flame.error} onRetry={flame.retry} />
      ) : (
        <Loading what="the profile" />
      )}
    </>
  )
}

const NO_TARGETS: Parameters<typeof emptinessOf>[1] = []

interface BodyProps {
  url: UrlState
  model: Model
  targets: Parameters<typeof emptinessOf>[1]
  old: boolean
  range: { from: number; to: number }
  ledgerOpen: boolean
  onLedger(open: boolean): void
}

function Body({ url, model, targets, old, range, ledgerOpen, onLedger }: BodyProps) {
  const relevant = url.series === '' ? targets : targets.filter(t => t.series === url.series)
  const emptiness = emptinessOf(model.answer, relevant, url.type)
  return (
    <div className={old ? 'profile-body old' : 'profile-body'} aria-busy={old}>
      {emptiness ? (
        <WhyEmpty emptiness={emptiness} type={url.type} url={url} />
      ) : (
        <>
          <Summary flame={model.answer} url={url} targets={relevant} open={ledgerOpen} onToggle={onLedger} />
          <Workspace url={url} answered={model} range={range} />
        </>
      )}
    </div>
  )
}
