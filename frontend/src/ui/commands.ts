/** What the palette offers for a text. Pure. */

export interface Command {
  group: 'Screens' | 'Services' | 'Functions' | 'Actions'
  label: string
  detail: string // what else identifies it, or what it does
  run(): void
}

const MOST_PER_GROUP = 8

/** Those with every word of the text in them, groups in their order, whole beginnings first. */
export function matching(commands: readonly Command[], text: string): Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const rank = (c: Command) => {
    const label = c.label.toLowerCase()
    if (!words.every(word => label.includes(word) || c.detail.toLowerCase().includes(word))) return -1
    return words.length > 0 && label.startsWith(words[0]) ? 0 : 1
  }
  const ranked = commands.map(command => ({ command, rank: rank(command) })).filter(r => r.rank >= 0)
  const groups = [...new Set(commands.map(c => c.group))]
  return groups.flatMap(group =>
    ranked
      .filter(r => r.command.group === group)
      .sort((a, b) => a.rank - b.rank)
      .slice(0, MOST_PER_GROUP)
      .map(r => r.command),
  )
}
