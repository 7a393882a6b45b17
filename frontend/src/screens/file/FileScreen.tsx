import { useMemo, useState } from 'react'
import type { Flame } from '../../api/types'
import { NO_GRAPH } from '../../profile/decode'
import type { FileProfile } from '../../profile/files/opened'
import { buildTree, ROOT } from '../../profile/tree'
import { formatCount, formatValue } from '../../profile/units'
import { Empty } from '../../ui/Empty'
import { useUrl } from '../../ui/location'
import type { Model } from '../profile/model'
import { Workspace } from '../profile/Workspace'

interface Props {
  name: string
  profiles: FileProfile[]
  onClose(): void
}

/** A file with the tools of a service's profile. */
export function FileScreen({ name, profiles, onClose }: Props) {
  const url = useUrl()
  const [at, setAt] = useState(0)
  const chosen = profiles[at] ?? profiles[0]
  const model = useMemo(() => chosen && modelOf(chosen), [chosen])
  return (
    <>
      <div className="screen-head profile-head">
        <div className="profile-name">
          <span className="muted small">File, only in this browser</span>
          <h1 className="wrap">{name}</h1>
        </div>
        {profiles.length > 1 && (
          <select
            className="field"
            aria-label="Value"
            value={at}
            onChange={e => setAt(Number(e.target.value))}
          >
            {profiles.map((profile, i) => (
              <option key={`${profile.label}/${profile.unit}`} value={i}>
                {profile.label}
              </option>
            ))}
          </select>
        )}
        <span className="spacer" />
        {model && (
          <span className="muted small">
            {formatValue(model.flame.unit, model.flame.total.value)} in {formatCount(model.tree.size - 1)}{' '}
            frames
          </span>
        )}
        <button type="button" className="button" onClick={onClose}>
          Close the file
        </button>
      </div>
      {model && model.tree.size > 1 ? (
        <div className="profile-body">
          <Workspace url={url} answered={model} range={NO_RANGE} stored={false} />
        </div>
      ) : (
        <Empty icon="idle" title={`${name} holds no samples`} />
      )}
    </>
  )
}

const NO_RANGE = { from: 0, to: 1 }

function modelOf({ label, unit, profile }: FileProfile): Model {
  const tree = buildTree(profile)
  const total = { value: tree.total[ROOT], count: tree.totalCount[ROOT] }
  const flame: Flame = {
    ...NO_GRAPH,
    range: { from: '', to: '' },
    type: unit === 'bytes' ? 'alloc' : 'cpu',
    unit,
    countUnit: 'samples',
    total,
    outside: NOTHING,
    nodes: tree.size - 1,
    omitted: { nodes: 0, ...NOTHING },
    coverage: NO_COVERAGE,
    scanned: { rows: 0, bytes: 0, elapsedMs: 0 },
  }
  return { answer: flame, flame, byCount: false, amount: label, profile, tree, changed: false }
}

const NOTHING = { value: 0, count: 0 }
/** A file does not say what was lost. */
const NO_COVERAGE: Flame['coverage'] = {
  windows: { expected: 0, stored: 0, lost: 0 },
  captured: NOTHING,
  stored: NOTHING,
  truncated: NOTHING,
  dropped: NOTHING,
  losses: [],
  notCaptured: [],
  notices: [],
  recordedSeconds: 0,
  meanTargets: 0,
  perSecond: null,
  kernelCpu: null,
}
