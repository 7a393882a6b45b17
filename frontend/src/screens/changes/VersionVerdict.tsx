/** The verdict on a version: an icon, words and a colour, never the colour alone. */
import type { Regression } from '../../api/types'
import { shortVerdict } from '../../profile/verdicts'
import { Icon, type IconName } from '../../ui/Icon'
import { Link } from '../../ui/Link'
import { linkTo, type UrlState } from '../../url'
import { baseOf } from './compared'

type Tone = 'ok' | 'bad' | 'muted'

const STYLES: Record<Regression['verdict'], { icon: IconName; tone: Tone }> = {
  worse: { icon: 'bad', tone: 'bad' },
  better: { icon: 'ok', tone: 'ok' },
  same: { icon: 'same', tone: 'muted' },
  not_enough_data: { icon: 'wait', tone: 'muted' },
}

export function VerdictIcon({ verdict }: { verdict: Regression['verdict'] }) {
  const { icon, tone } = STYLES[verdict]
  return <Icon name={icon} className={tone} />
}

export function verdictTone({ verdict }: Regression): Tone {
  return STYLES[verdict].tone
}

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
