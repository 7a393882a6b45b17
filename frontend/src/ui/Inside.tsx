/** Below a zoomed frame, the backend is asked for what the limit of nodes has left out: its answer is of that frame alone. */
import { useMemo } from 'react'
import type { Profile } from '../profile/decode'
import { shortName } from '../profile/names'
import { omittedBelow, pathToOmitted } from '../profile/omitted'
import { ROOT, type Tree } from '../profile/tree'
import { formatPercent } from '../profile/units'
import { MAX_PATH, pathInside, type UrlState } from '../url'
import { Empty } from './Empty'
import { Chip } from './FilterChips'
import { change } from './location'

interface Props {
  profile: Profile
  tree: Tree
  zoom: number
}

export function ShowInside({ profile, tree, zoom }: Props) {
  const omitted = useMemo(() => omittedBelow(profile, tree, zoom), [profile, tree, zoom])
  const path = pathToOmitted(profile, tree, zoom)
  if (zoom === ROOT || omitted === 0 || path.length === 0 || path.length > MAX_PATH) return null
  return (
    <button
      type="button"
      className="button text"
      title="What the limit of nodes leaves out below this frame"
      onClick={() => change({ zoom: path, inside: path.length })}
    >
      Show omitted frames, {formatPercent(omitted, tree.total[zoom])}
    </button>
  )
}

/** Stands in a list of filters. */
export function InsideChip({ url, profile }: { url: UrlState; profile: Profile }) {
  const name = pathInside(url).at(-1)
  if (name === undefined) return null
  const fn = profile.functions.indexOf(name)
  const short = fn < 0 ? name : shortName(name, profile.kinds[fn])
  return <Chip label="In full" value={short} title={name} onRemove={() => change({ inside: 0 })} />
}

/** The range has samples, and none of them below that frame. */
export function NothingInside() {
  return (
    <Empty
      icon="search"
      title="No sample of this frame in this range"
      actions={
        <button type="button" className="button" onClick={() => change({ zoom: [] })}>
          Show everything
        </button>
      }
    />
  )
}
