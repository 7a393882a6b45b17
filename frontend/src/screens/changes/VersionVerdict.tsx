/** The verdict on a version: an icon, words and a colour, never the colour alone. */
import type { Regression } from '../../api/types'
import { shortVerdict } from '../../profile/verdicts'
import { Link } from '../../ui/Link'
import { VerdictIcon } from '../../ui/VerdictIcon'
import { linkTo, type UrlState } from '../../url'
import { baseOf } from './compared'

/** The very comparison that the verdict is of. */
export function comparisonOf(url: UrlState, r: Regression): string {
  const { cluster, namespace, service } = r
  return linkTo(url, 'changes', { cluster, namespace, service, ...baseOf(r) })
}

/** In a list: leads to the functions that changed. */
export function VerdictLink({ url, verdict }: { url: UrlState; verdict: Regression }) {
  const functions = verdict.functions.map(f => f.name).join(', ')
  return (
    <Link
      className="badge small verdict-link"
      href={comparisonOf(url, verdict)}
      title={functions && `Mostly by ${functions}`}
    >
      <VerdictIcon verdict={verdict.verdict} />
      <span className={verdict.verdict === 'worse' ? 'bad' : 'muted'}>{shortVerdict(verdict)}</span>
    </Link>
  )
}
