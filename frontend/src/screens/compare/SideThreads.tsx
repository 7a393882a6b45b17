import { useState } from 'react'
import { useThreads } from '../../api/queries'
import { threadList } from '../../profile/threads'
import { formatPercent } from '../../profile/units'
import { Choices } from '../../ui/Choices'
import { Icon } from '../../ui/Icon'
import { Popover } from '../../ui/Popover'
import type { UrlState } from '../../url'
import type { Selection } from './sides'
import { oneOrMore } from './words'

interface Props {
  url: UrlState
  letter: string
  selection: Selection
  onChange(thread: string[]): void
}

/** The thread groups of a side. What there is of them is asked for when somebody wants to choose. */
export function SideThreads({ url, letter, selection, onChange }: Props) {
  const [open, setOpen] = useState(false)
  const { container, node, type } = url
  const answer = useThreads({ ...selection, container, node, type, excludeThread: [] }, selection.range, open)
  const list = answer.data && threadList(answer.data)
  const text = oneOrMore(selection.thread, 'thread groups') || 'All threads'
  const shareOf = (name: string) => list?.groups.find(group => group.name === name)?.amount
  return (
    <Popover
      className="side-threads"
      onOpen={setOpen}
      label={`Threads of ${letter}: ${text}`}
      summary={
        <>
          <span className="cut">{text}</span>
          <Icon name="down" />
        </>
      }
    >
      {() => (
        <>
          <Choices
            label={`Thread group of ${letter}`}
            all="All threads"
            several="thread groups"
            chosen={selection.thread}
            options={list?.groups.map(group => group.name) ?? []}
            ordered
            textOf={name => {
              const share = shareOf(name)
              return list && share !== undefined ? `${name}, ${formatPercent(share, list.total)}` : name
            }}
            onChange={onChange}
          />
          {answer.error && <p className="small warn">Thread groups: {answer.error.message}</p>}
          {!answer.error && !list && <p className="small muted">Loading the thread groups…</p>}
          {list && list.groups.length === 0 && (
            <p className="small muted">No sample is stored on this side.</p>
          )}
        </>
      )}
    </Popover>
  )
}
