import { useMemo } from 'react'
import { useDiff, useServices, useTargets } from '../../api/queries'
import type { Diff } from '../../api/types'
import { type Comparison, compare } from '../../profile/compare'
import { DecodeError } from '../../profile/decode'
import { CopyLink } from '../../ui/CopyLink'
import { Failure, Loading, Undrawable } from '../../ui/Empty'
import { FilterList } from '../../ui/FilterChips'
import { AsOf, StaleNotice } from '../../ui/Freshness'
import { Icon } from '../../ui/Icon'
import { useLive } from '../../ui/live'
import { change } from '../../ui/location'
import { ServiceHead } from '../../ui/ServiceHead'
import { useShortcuts } from '../../ui/shortcuts'
import { formatUrl, pathInside, type Scale, type UrlState } from '../../url'
import { CompareTimeline } from './CompareTimeline'
import { CompareWorkspace } from './CompareWorkspace'
import { SideCard } from './SideCard'
import { SidesFold } from './SidesFold'
import { around, baseParams, type Sides, sameThreads, sidesOf, swapped } from './sides'
import { Verdict } from './Verdict'

/** What narrows both sides and is in neither card. */
const OF_BOTH = ['container', 'node', 'excludeThread'] as const

/** Two selections beside each other: A, the base, and B, what it is compared to. */
export function Compare({ url }: { url: UrlState }) {
  const { now } = useLive()
  const sides = useMemo(() => sidesOf(url, now), [url, now])
  const shown = around(sides.base.range, sides.head.range, now)
  const part = { nodes: url.nodes, path: pathInside(url) }
  const answer = useDiff(url, sides.head.range, baseParams(sides), part)
  const comparison = useComparison(answer.data, url.scale)
  const services = useServices(shown).data?.services ?? []
  const targets = useTargets(now, { cluster: '', namespace: '', service: '' }).data?.targets ?? []
  const swap = () => change(swapped(sides))
  useShortcuts('Compare', [{ keys: ['x'], label: 'Swap the sides', run: swap }])
  const lists = { services, targets }
  return (
    <>
      <Head url={url} sides={sides} onSwap={swap}>
        <AsOf answer={answer} />
      </Head>
      <StaleNotice answer={answer} />
      <FilterList url={url} names={sameThreads(sides) ? [...OF_BOTH, 'thread'] : OF_BOTH} />
      <SidesFold url={url} sides={sides} diff={answer.data}>
        <div className="sides">
          <SideCard name="base" url={url} sides={sides} diff={answer.data} {...lists} />
          <SideCard name="head" url={url} sides={sides} diff={answer.data} {...lists} />
        </div>
        <CompareTimeline url={url} sides={sides} />
      </SidesFold>
      {answer.data && <Verdict diff={answer.data} same={sides.same} />}
      {comparison instanceof DecodeError ? (
        <Undrawable error={comparison} />
      ) : comparison && answer.data ? (
        <div className={answer.old ? 'profile-body old' : 'profile-body'} aria-busy={answer.old}>
          <CompareWorkspace url={url} diff={answer.data} comparison={comparison} />
        </div>
      ) : answer.error ? (
        <Failure error={answer.error} onRetry={answer.retry} />
      ) : (
        <Loading what="the comparison" />
      )}
    </>
  )
}

function useComparison(diff: Diff | undefined, scale: Scale): Comparison | DecodeError | undefined {
  return useMemo(() => {
    try {
      return diff && compare(diff, scale)
    } catch (error) {
      if (error instanceof DecodeError) return error
      throw error
    }
  }, [diff, scale])
}

interface HeadProps {
  url: UrlState
  sides: Sides
  onSwap(): void
  children: React.ReactNode
}

function Head({ url, sides, onSwap, children }: HeadProps) {
  const fixed = { ...url, range: { kind: 'between', ...sides.head.range } as const }
  const base = { ...sides.given, range: { kind: 'between', ...sides.base.range } as const }
  return (
    <ServiceHead url={url} title="Compare">
      <span className="spacer" />
      {children}
      <button type="button" className="button" onClick={onSwap} title="A becomes B, and B becomes A (x)">
        <Icon name="conflict" /> Swap sides
      </button>
      <CopyLink href={formatUrl({ ...fixed, base })} />
    </ServiceHead>
  )
}
