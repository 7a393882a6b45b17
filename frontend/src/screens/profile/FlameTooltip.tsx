import { useLayoutEffect, useRef } from 'react'
import type { Hit } from '../../flame/view'
import { frameText, runText } from './frameText'
import type { Model } from './model'

const OFFSET = 14

/** Follows the pointer and stays inside of the window. */
export function FlameTooltip({ model, zoom, hit }: { model: Model; zoom: number; hit: Hit | undefined }) {
  const ref = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const tip = ref.current
    if (!tip || !hit) return
    const { width, height } = tip.getBoundingClientRect()
    const right = hit.x + OFFSET + width <= window.innerWidth
    const below = hit.y + OFFSET + height <= window.innerHeight
    tip.style.left = `${right ? hit.x + OFFSET : Math.max(hit.x - OFFSET - width, 4)}px`
    tip.style.top = `${below ? hit.y + OFFSET : Math.max(hit.y - OFFSET - height, 4)}px`
  }, [hit])
  if (!hit || hit.node >= model.tree.size) return null
  const text = hit.hidden > 0 ? runText(model, hit.node, hit.hidden, zoom) : frameText(model, hit.node, zoom)
  return (
    <div ref={ref} className="tooltip" aria-hidden="true">
      <div className="tooltip-title">{text.title}</div>
      {text.scope && <div className="muted tooltip-scope">{text.scope}</div>}
      {text.kind && <div className="chip">{text.kind}</div>}
      <table>
        <tbody>
          {text.rows.map(row => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              <td className="number strong">{row.value}</td>
              {row.shares.map(share => (
                <td className="number" key={share}>
                  {share}
                </td>
              ))}
              <td className="number muted">{row.count}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {text.note && <div className="muted small">{text.note}</div>}
    </div>
  )
}
