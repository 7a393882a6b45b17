import { useMemo } from 'react'
import { MARKS, swatchOf, type Theme } from '../../flame/colors'
import { KINDS, OMITTED } from '../../profile/decode'
import { GROUP_LABELS, groupsOf } from '../../profile/groups'
import { change } from '../../ui/location'
import { useTheme } from '../../ui/theme'
import type { Coloring, UrlState } from '../../url'
import type { Model } from './model'

type Shown = 'shown' | 'grey' | 'folded'
const NEXT: Record<Shown, Shown> = { shown: 'grey', grey: 'folded', folded: 'shown' }
const SAYS: Record<Shown, string> = { shown: 'in colour', grey: 'in grey', folded: 'folded into its callers' }

/** Whose code has which colour. A click draws it in grey, another folds it into its callers, a third brings it back. */
export function Legend({ model, url }: { model: Model; url: UrlState }) {
  const theme = useTheme()
  const present = useMemo(() => groupsOf(model.profile), [model.profile])
  const folded = url.fold.filter(group => !present.some(p => p.group === group) && group in GROUP_LABELS)
  const { functions, kinds } = model.profile
  return (
    <ul className="legend small" aria-label="Colours">
      {present.map(({ group, fn }) => (
        <li key={group}>
          <Entry group={group} url={url}>
            <Swatch name={functions[fn]} kind={kinds[fn]} theme={theme} coloring={url.coloring} />
          </Entry>
        </li>
      ))}
      {folded.map(group => (
        <li key={group}>
          <Entry group={group} url={url} />
        </li>
      ))}
      <li>
        <button
          type="button"
          className="button text"
          onClick={() => change({ coloring: url.coloring === 'kind' ? 'package' : 'kind' }, true)}
        >
          Colour by {url.coloring === 'kind' ? 'package' : 'kind'}
        </button>
      </li>
    </ul>
  )
}

function Entry({ group, url, children }: { group: string; url: UrlState; children?: React.ReactNode }) {
  const state: Shown = url.fold.includes(group) ? 'folded' : url.grey.includes(group) ? 'grey' : 'shown'
  const label = GROUP_LABELS[group]
  return (
    <button
      type="button"
      className={`legend-entry ${state}`}
      aria-label={`${label}: ${SAYS[state]}`}
      title={`${label}: ${SAYS[state]}. A click has it ${SAYS[NEXT[state]]}.`}
      onClick={() => change(withGroup(url, group, NEXT[state]))}
    >
      {children}
      {label}
    </button>
  )
}

function withGroup(url: UrlState, group: string, state: Shown): Partial<UrlState> {
  const others = (groups: string[]) => groups.filter(other => other !== group)
  return {
    grey: [...others(url.grey), ...(state === 'grey' ? [group] : [])],
    fold: [...others(url.fold), ...(state === 'folded' ? [group] : [])],
  }
}

interface SwatchProps {
  name: string
  kind: number
  theme: Theme
  coloring: Coloring
}

export function Swatch({ name, kind, theme, coloring }: SwatchProps) {
  const mark = MARKS[KINDS[kind]]
  return (
    <svg className="swatch" viewBox="0 0 12 12" aria-hidden="true">
      <rect width="12" height="12" fill={swatchOf(name, kind, theme, coloring)} />
      {kind === OMITTED && <rect width="12" height="12" fill="url(#hatch)" />}
      {mark && (
        <path
          d="M0 11H12"
          stroke="#000"
          strokeOpacity="0.6"
          strokeWidth="2"
          strokeDasharray={mark.join(' ')}
        />
      )}
    </svg>
  )
}
