import { useFlame, useSeries, useTargets } from '../../api/queries'
import type { ProfileType } from '../../api/types'
import { emptinessOf } from '../../profile/emptiness'
import { TYPE_LABELS } from '../../profile/units'
import { Empty, Failure, Loading } from '../../ui/Empty'
import { StaleNotice } from '../../ui/Freshness'
import { Link } from '../../ui/Link'
import { useLive, useResolved } from '../../ui/live'
import { formatUrl, type UrlState } from '../../url'
import { Head } from './Head'
import { type Model, useModel } from './model'
import { Summary } from './Summary'
import { Timeline } from './Timeline'
import { WhyEmpty } from './WhyEmpty'
import { Workspace } from './Workspace'

const TYPES: readonly ProfileType[] = ['cpu', 'alloc', 'lock', 'wall']

export function Profile({ url }: { url: UrlState }) {
  const { now } = useLive()
  const range = useResolved(url.range)
  const series = useSeries(url, range)
  const flame = useFlame(url, range, url.nodes)
  const targets = useTargets(now, url)
  const model = useModel(flame)
  return (
    <>
      <Head url={url} answer={flame} targets={targets.data?.targets ?? []} />
      <nav className="tabs" aria-label="Profile type">
        {TYPES.map(type => (
          <Link
            key={type}
            href={formatUrl({ ...url, type, zoom: [], fn: '' })}
            aria-current={type === url.type ? 'page' : undefined}
          >
            {TYPE_LABELS[type].tab}
          </Link>
        ))}
      </nav>
      <StaleNotice answer={flame} />
      {series.data && <Timeline series={series.data} old={series.old} />}
      {model instanceof Error ? (
        <Empty icon="warn" title="The answer of the backend cannot be drawn">
          <p>{model.message}. Frontend and backend may be of different versions; reload the page.</p>
        </Empty>
      ) : model ? (
        <Body
          url={url}
          model={model}
          targets={targets.data?.targets ?? []}
          series={series.data}
          old={flame.old}
          range={range}
        />
      ) : flame.error ? (
        <Failure error={flame.error} onRetry={flame.retry} />
      ) : (
        <Loading what="the profile" />
      )}
    </>
  )
}

interface BodyProps {
  url: UrlState
  model: Model
  targets: Parameters<typeof emptinessOf>[1]
  series: Parameters<typeof Summary>[0]['series']
  old: boolean
  range: { from: number; to: number }
}

function Body({ url, model, targets, series, old, range }: BodyProps) {
  const relevant = url.series === '' ? targets : targets.filter(t => t.series === url.series)
  const emptiness = emptinessOf(model.flame, relevant, url.type)
  return (
    <div className={old ? 'profile-body old' : 'profile-body'} aria-busy={old}>
      <Summary flame={model.flame} series={series} url={url} />
      {emptiness ? (
        <WhyEmpty emptiness={emptiness} type={url.type} url={url} />
      ) : (
        <Workspace url={url} model={model} range={range} />
      )}
    </div>
  )
}
