import type { AnchorHTMLAttributes, MouseEvent } from 'react'
import { goTo } from './location'

type Props = AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }

/** A link within the UI. It is a real one: it opens in a new tab, can be copied, and works by keyboard. */
export function Link({ href, onClick, ...rest }: Props) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event)
    const special = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0
    if (special || event.defaultPrevented) return
    event.preventDefault()
    goTo(href)
  }
  return <a href={href} onClick={follow} {...rest} />
}
