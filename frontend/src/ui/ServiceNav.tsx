import { useMemo } from 'react'
import { useRegressions } from '../api/queries'
import { fullName } from '../profile/services'
import { growthShare, shortVerdict, verdictsByService } from '../profile/verdicts'
import { compareLink, linkTo, type Screen, type UrlState } from '../url'
import { Link } from './Link'
import { useLive } from './live'
import { verdictTone } from './VerdictIcon'

/** The screens of a service, with the verdict on its newest version where that is another than before. */
export function ServiceNav({ url }: { url: UrlState }) {
  const { now } = useLive()
  const { data } = useRegressions(now)
  const verdict = useMemo(() => verdictsByService(data).get(fullName(url)), [data, url])
  const { cluster, namespace, service, type, thread, excludeThread, fn } = url
  const here = { cluster, namespace, service, type, thread, excludeThread }
  const current = (screen: Screen) => (url.screen === screen ? 'page' : undefined)
  const told = verdict && (verdict.verdict === 'worse' || verdict.verdict === 'better')
  return (
    <nav className="segments service-nav" aria-label="Screens of this service">
      <Link href={linkTo(url, 'profile', { ...here, fn })} aria-current={current('profile')}>
        Profile
      </Link>
      <Link href={linkTo(url, 'changes', here)} aria-current={current('changes')}>
        What changed{' '}
        {told && (
          <span className={`small ${verdictTone(verdict)}`} title={shortVerdict(verdict)}>
            <span className="sr-only">{shortVerdict(verdict)}</span>
            <span aria-hidden="true">{growthShare(verdict)}</span>
          </span>
        )}
      </Link>
      <Link href={compareLink(url)} aria-current={current('compare')}>
        Compare
      </Link>
    </nav>
  )
}
