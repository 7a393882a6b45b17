import type { Answer } from '../../api/answer'
import type { Flame, Series, Target } from '../../api/types'
import { shownState, targetName } from '../../profile/targets'
import { chosen, threadList } from '../../profile/threads'
import { formatPercent } from '../../profile/units'
import { Choices } from '../../ui/Choices'
import { CopyLink } from '../../ui/CopyLink'
import { AsOf } from '../../ui/Freshness'
import { Icon } from '../../ui/Icon'
import { Link } from '../../ui/Link'
import { useLive, useResolved } from '../../ui/live'
import { change } from '../../ui/location'
import { Popover } from '../../ui/Popover'
import { ServiceNav } from '../../ui/ServiceNav'
import { stateStyle } from '../../ui/Status'
import { TypeChoice } from '../../ui/TypeChoice'
import {
  FILTERS,
  type Filter,
  formatUrl,
  linkTo,
  THREAD_FILTERS,
  type ThreadFilter,
  type UrlState,
} from '../../url'
import { HowToGet } from './Threads'

interface Props {
  url: UrlState
  answer: Answer<Flame>
  targets: Target[]
  threads: Answer<Series>
  onChoose(choosing: boolean): void // the thread groups are wanted
}

export function Head({ url, answer, targets, threads, onChoose }: Props) {
  const range = useResolved(url.range)
  return (
    <div className="screen-head profile-head">
      <div className="profile-name">
        <nav className="muted small" aria-label="Breadcrumb">
          <Link href={linkTo(url, 'services')}>Services</Link>
          {[url.cluster, url.namespace].filter(Boolean).map(part => ` / ${part}`)}
        </nav>
        <h1>{url.service}</h1>
      </div>
      <TypeChoice url={url} className="tabs" />
      <ServiceNav url={url} />
      <span className="spacer" />
      <NewData />
      <AsOf answer={answer} />
      <Filters {...{ url, targets, threads, onChoose }} />
      <CopyLink href={formatUrl({ ...url, range: { kind: 'between', ...range } })} />
    </div>
  )
}

/** A refresh is due and would disturb what the user is at: he says when. */
function NewData() {
  const { waiting, refresh } = useLive()
  if (!waiting) return null
  return (
    <button
      type="button"
      className="button new-data"
      title="Live pauses while you point at, zoom, select or pin something"
      onClick={refresh}
    >
      New data
    </button>
  )
}

function Filters({ url, targets, threads, onChoose }: Omit<Props, 'answer'>) {
  const all = [...FILTERS, ...THREAD_FILTERS]
  const set = all.filter(name => url[name].length > 0).length + (url.series === '' ? 0 : 1)
  return (
    <Popover
      className="filters"
      bodyClass="filters-body"
      onOpen={onChoose}
      label={set === 0 ? 'Filters' : `Filters ${set} set`}
      summary={
        <>
          Filters {set > 0 && <span className="count">{set}</span>}
          <Icon name="down" />
        </>
      }
    >
      {() => (
        <>
          {FILTERS.map(name => (
            <Choice key={name} name={name} url={url} targets={targets} />
          ))}
          <TargetChoice url={url} targets={targets} />
          <ThreadChoices url={url} threads={threads} />
        </>
      )}
    </Popover>
  )
}

interface ChoiceProps {
  name: Filter
  url: UrlState
  targets: Target[]
}

function Choice({ name, url, targets }: ChoiceProps) {
  const label = name.charAt(0).toUpperCase() + name.slice(1)
  return (
    <div className="filter">
      {label}
      <Choices
        label={label}
        all={`All ${name}s`}
        several={`${name}s`}
        chosen={url[name]}
        options={targets.map(t => t.identity[name])}
        onChange={chosen => change({ [name]: chosen, zoom: [] })}
      />
    </div>
  )
}

const THREAD_WORDS: Record<ThreadFilter, { label: string; none: string }> = {
  thread: { label: 'Threads', none: 'All thread groups' },
  excludeThread: { label: 'Without', none: 'None left out' },
}

/** The heaviest groups of the range first, with their share of all threads. */
function ThreadChoices({ url, threads }: Pick<Props, 'url' | 'threads'>) {
  const list = threads.data && threadList(threads.data)
  const textOf = (name: string) => {
    const group = list?.groups.find(one => one.name === name)
    return list && group ? `${name}, ${formatPercent(group.amount, list.total)}` : name
  }
  return (
    <>
      {THREAD_FILTERS.map(name => (
        <div key={name} className="filter">
          {THREAD_WORDS[name].label}
          <Choices
            label={name === 'thread' ? 'Thread group' : 'Without thread group'}
            all={THREAD_WORDS[name].none}
            several="thread groups"
            chosen={url[name]}
            options={list?.groups.map(group => group.name) ?? []}
            ordered
            textOf={textOf}
            onChange={names => change({ ...chosen(url, name, names), zoom: [] })}
          />
        </div>
      ))}
      {threads.error && <p className="small warn">Thread groups: {threads.error.message}</p>}
      {list && list.total > 0 && !list.told && <HowToGet />}
    </>
  )
}

function TargetChoice({ url, targets }: Pick<Props, 'url' | 'targets'>) {
  const known = targets.some(t => t.series === url.series)
  return (
    <label>
      Target
      <select
        className="field"
        value={url.series}
        onChange={e => change({ series: e.target.value, zoom: [] })}
      >
        <option value="">
          {targets.length === 1 ? 'All targets (1)' : `All ${targets.length || ''} targets`}
        </option>
        {targets.map(target => (
          <option key={target.series} value={target.series}>
            {targetName(target)}, {stateStyle(shownState(target)).label}
          </option>
        ))}
        {url.series !== '' && !known && <option value={url.series}>{url.series}, no longer reporting</option>}
      </select>
    </label>
  )
}
