import { useState } from 'react'
import { Icon } from './Icon'

const SHOWN_MS = 2000

/** Copies a link to what is on screen. Its caller fixes relative ranges: who follows it sees what its sender saw. */
export function CopyLink({ href }: { href: string }) {
  const [copied, setCopied] = useState<'copied' | 'refused'>()
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(window.location.origin + href)
      setCopied('copied')
    } catch {
      setCopied('refused') // no permission, or no secure context
    }
    window.setTimeout(() => setCopied(undefined), SHOWN_MS)
  }
  const text = { copied: 'Copied', refused: 'Not allowed', none: 'Copy link' }[copied ?? 'none']
  return (
    <button
      type="button"
      className="button copy-link"
      aria-label={text}
      onClick={copy}
      title="A link to this view with its time fixed"
    >
      <Icon name={copied === 'copied' ? 'ok' : 'link'} />
      <span className="label">{text}</span>
    </button>
  )
}
