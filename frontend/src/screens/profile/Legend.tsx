import { useMemo } from 'react'
import { kindSwatch, MARKS, type Theme } from '../../flame/colors'
import { KINDS, OMITTED, type Profile } from '../../profile/decode'
import { KIND_LABELS } from '../../profile/names'

/** Colours and marks of the kinds that occur. */
export function Legend({ profile, theme }: { profile: Profile; theme: Theme }) {
  const kinds = useMemo(() => [...new Set(profile.kinds)].sort((a, b) => a - b), [profile])
  return (
    <ul className="legend small" aria-label="Colours">
      {kinds.map(kind => (
        <li key={kind}>
          <Swatch kind={kind} theme={theme} />
          {KIND_LABELS[kind]}
        </li>
      ))}
    </ul>
  )
}

export function Swatch({ kind, theme }: { kind: number; theme: Theme }) {
  const mark = MARKS[KINDS[kind]]
  return (
    <svg className="swatch" viewBox="0 0 12 12" aria-hidden="true">
      <rect width="12" height="12" fill={kindSwatch(kind, theme)} />
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
