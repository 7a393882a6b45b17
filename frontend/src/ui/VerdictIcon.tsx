/** The verdict on a version, as an icon: words stand beside it, or in its title. */
import type { Regression } from '../api/types'
import { Icon, type IconName } from './Icon'

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
