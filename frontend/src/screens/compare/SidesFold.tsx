import { type ReactNode, useState } from 'react'
import type { Diff } from '../../api/types'
import type { SideName } from '../../profile/compare'
import { formatCount, formatCounted } from '../../profile/units'
import { Icon } from '../../ui/Icon'
import { NO_BASE, type UrlState } from '../../url'
import type { Sides } from './sides'
import { LETTERS, sideText } from './words'

interface Props {
  url: UrlState
  sides: Sides
  diff: Diff | undefined
  children: ReactNode
}

/** What is compared, in one line; opened, and until A was chosen: the controls to choose it. */
export function SidesFold({ url, sides, diff, children }: Props) {
  const [open, setOpen] = useState(() => JSON.stringify(url.base) === JSON.stringify(NO_BASE))
  return (
    <details className="sides-fold" open={open} onToggle={e => setOpen(e.currentTarget.open)}>
      <summary className="card" title="What A and B are, and how to choose them">
        <Icon name="down" className="chevron" />
        <span className="side-lines">
          <SideLine name="base" sides={sides} diff={diff} />
          <SideLine name="head" sides={sides} diff={diff} />
        </span>
      </summary>
      <div className="sides-body">{children}</div>
    </details>
  )
}

function SideLine({ name, sides, diff }: Pick<Props, 'sides' | 'diff'> & { name: SideName }) {
  const windows = diff?.[name].coverage.windows
  return (
    <span className={`side-line side-${name}`}>
      <span className="side-letter">{LETTERS[name]}</span>
      <span className="strong">{sideText(sides, name)}</span>
      {windows && (
        <span className="muted small nowrap">
          {formatCount(windows.stored)} / {formatCounted(windows.expected, 'windows')}
        </span>
      )}
    </span>
  )
}
