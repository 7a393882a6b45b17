/** States of targets: an icon, a word and a colour, never the colour alone. */
import { Icon, type IconName } from './Icon'

export interface StateStyle {
  label: string
  icon: IconName
  tone: 'ok' | 'warn' | 'bad' | 'muted'
}

const STATES: Record<string, StateStyle> = {
  profiled: { label: 'profiled', icon: 'ok', tone: 'ok' },
  waiting: { label: 'waiting', icon: 'wait', tone: 'muted' },
  conflict: { label: 'conflict', icon: 'conflict', tone: 'warn' },
  skipped: { label: 'skipped', icon: 'skip', tone: 'muted' },
  failed: { label: 'failed', icon: 'bad', tone: 'bad' },
  silent: { label: 'silent', icon: 'silent', tone: 'bad' },
  gone: { label: 'gone', icon: 'gone', tone: 'muted' },
}

/** In the order in which they want attention. */
export const STATE_ORDER = ['failed', 'silent', 'conflict', 'waiting', 'skipped', 'profiled', 'gone'] as const

export function stateStyle(state: string): StateStyle {
  return STATES[state] ?? { label: state, icon: 'warn', tone: 'muted' }
}

export function StateBadge({ state, count }: { state: string; count?: number }) {
  const { label, icon, tone } = stateStyle(state)
  return (
    <span className="badge">
      <Icon name={icon} className={tone} />
      {count !== undefined && <span>{count}</span>}
      <span className={tone === 'muted' ? 'muted' : ''}>{label}</span>
    </span>
  )
}
