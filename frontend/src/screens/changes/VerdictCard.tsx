import { useMemo } from 'react'
import { useRegressions } from '../../api/queries'
import type { Change, Regression } from '../../api/types'
import { kindNumber } from '../../profile/decode'
import { shortName } from '../../profile/names'
import { fullName } from '../../profile/services'
import { formatPercent } from '../../profile/units'
import { longVerdict, verdictsByService } from '../../profile/verdicts'
import { CoverageBar } from '../../ui/Coverage'
import { Link } from '../../ui/Link'
import { useLive } from '../../ui/live'
import { formatAge } from '../../ui/time'
import { VerdictIcon, verdictTone } from '../../ui/VerdictIcon'
import { formatUrl, linkTo, type UrlState } from '../../url'
import { comparisonOf } from './VersionVerdict'

/** What the backend itself says of the newest version, whatever is compared on this screen. */
export function VerdictCard({ url }: { url: UrlState }) {
  const { now } = useLive()
  const answer = useRegressions(now)
  const verdicts = useMemo(() => verdictsByService(answer.data), [answer.data])
  const verdict = verdicts.get(fullName(url))
  if (verdict) return <Judged url={url} verdict={verdict} now={now} />
  if (answer.error) {
    return (
      <p className="muted small">The verdict on the newest version is not known: {answer.error.message}.</p>
    )
  }
  if (!answer.data) return null
  return (
    <p className="muted small">
      No verdict on a new version: this service had one version within a day, or the backend, which looks
      every few minutes, has not judged it yet.
    </p>
  )
}

function Judged({ url, verdict, now }: { url: UrlState; verdict: Regression; now: number }) {
  const evaluated = Date.parse(verdict.evaluated)
  const comparison = comparisonOf(url, verdict)
  return (
    <section
      className={`card version-verdict ${verdictTone(verdict)}-verdict`}
      aria-label="Verdict on the newest version"
    >
      <VerdictIcon verdict={verdict.verdict} />
      <div>
        <p className="verdict-words">{longVerdict(verdict)}</p>
        {verdict.functions.length > 0 && (
          <ul className="explaining">
            {verdict.functions.map(f => (
              <Explaining key={f.name} url={url} verdict={verdict} change={f} />
            ))}
          </ul>
        )}
        <div className="verdict-basis muted small">
          <span>By CPU time, judged {formatAge(evaluated, Math.max(now * 1000, evaluated))}, from</span>
          <CoverageBar windows={verdict.base.coverage.windows} />
          <span>and</span>
          <CoverageBar windows={verdict.head.coverage.windows} />
          {comparison !== formatUrl(url) && <Link href={comparison}>Show this comparison</Link>}
        </div>
      </div>
    </section>
  )
}

function Explaining({ url, verdict, change }: { url: UrlState; verdict: Regression; change: Change }) {
  const { cluster, namespace, service } = verdict
  return (
    <li>
      <Link
        href={linkTo(url, 'profile', { cluster, namespace, service, fn: change.name })}
        title={change.name}
      >
        {shortName(change.name, kindNumber(change.kind))}
      </Link>{' '}
      took {formatPercent(change.base, 1)}, takes {formatPercent(change.head, 1)}
    </li>
  )
}
