/** Whether the data is complete, and what is missing from it. Pure. */
import type { IngestHealth, Loss, Service, Target, Windows } from '../../api/types'
import { shownState } from '../../profile/targets'
import { formatCounted, formatDuration, formatPercent } from '../../profile/units'

/** A reason for which something is missing, over all services. */
export interface Missing {
  loss: Loss // amounts summed up
  services: Service[]
  captured: boolean // it was recorded and then lost
}

export interface Queue {
  windows: number
  bytes: number
  oldestSeconds: number // since its window began
  late: boolean // one waits for longer than it takes to send it
  dropped: number
  sidecars: number // with something queued
}

export function sumWindows(services: Service[]): Windows {
  const sum = (of: (w: Windows) => number) => services.reduce((n, { windows }) => n + of(windows), 0)
  return { expected: sum(w => w.expected), stored: sum(w => w.stored), lost: sum(w => w.lost) }
}

/** The largest first: what lasted, then what was counted. Ordinary running is no loss to act on. */
export function missingOf(services: Service[]): Missing[] {
  const byReason = new Map<string, Missing>()
  for (const service of services) {
    for (const [losses, captured] of [
      [service.losses, true],
      [service.notCaptured, false],
    ] as const) {
      for (const loss of losses.filter(l => !l.routine)) add(byReason, service, loss, captured)
    }
  }
  return [...byReason.values()].sort(
    (a, b) => b.loss.durationNs - a.loss.durationNs || b.loss.count - a.loss.count,
  )
}

function add(byReason: Map<string, Missing>, service: Service, loss: Loss, captured: boolean) {
  const key = `${captured} ${loss.outcome} ${loss.reason}`
  const known = byReason.get(key)
  if (!known) {
    byReason.set(key, { loss: { ...loss }, services: [service], captured })
    return
  }
  for (const amount of ['value', 'count', 'durationNs', 'bytes'] as const) known.loss[amount] += loss[amount]
  if (!known.services.includes(service)) known.services.push(service)
}

/** What waits in the sidecars. Sidecars with several targets say it with each. */
export function queueOf(targets: Target[]): Queue {
  const bySidecar = new Map(targets.map(t => [t.sidecar, t.spool]))
  const spools = [...bySidecar.values()]
  return {
    windows: spools.reduce((n, s) => n + s.windows, 0),
    bytes: spools.reduce((n, s) => n + s.bytes, 0),
    oldestSeconds: Math.max(0, ...spools.map(s => s.oldestSeconds)),
    late: targets.some(t => t.spool.oldestSeconds > t.state.windowSeconds + SENT_WITHIN_SECONDS),
    dropped: spools.reduce((n, s) => n + s.droppedWindows, 0),
    sidecars: spools.filter(s => s.windows > 0).length,
  }
}

export interface Verdict {
  tone: 'ok' | 'warn' | 'bad'
  text: string
  todo: string
}

/** A window is sent within seconds of its end; a sidecar that still has it after these has trouble. */
const SENT_WITHIN_SECONDS = 60

/** The answer for who has ten seconds. */
export function verdictOf(
  health: IngestHealth | undefined,
  services: Service[],
  targets: Target[],
  missing: Missing[],
): Verdict {
  const queue = queueOf(targets)
  if (health && !health.store.available) {
    // Only who answers has a version: the others are full, or refuse what is written.
    const answers = health.store.version !== ''
    const what = answers ? 'ClickHouse takes no windows' : 'ClickHouse does not answer'
    return {
      tone: 'bad',
      text: `Nothing can be stored: ${what}.${queueText(queue)}`,
      todo: `${answers ? `Mend what it says: ${health.store.message}` : 'Bring ClickHouse back'}. Sidecars keep windows until their spools are full or too old, and send them then.`,
    }
  }
  const silent = targets.filter(t => shownState(t) === 'silent').length
  const windows = sumWindows(services)
  if (windows.expected === 0) {
    return {
      tone: 'warn',
      text: 'No window was expected in this range.',
      todo: 'Choose another range, or look at the targets.',
    }
  }
  const share = formatPercent(windows.stored, windows.expected)
  const away = windows.expected - windows.stored - windows.lost
  const parts = [
    windows.lost > 0 && `${formatCounted(windows.lost, 'windows')} ${isAre(windows.lost)} lost`,
    away > 0 && `${formatCounted(away, 'windows')} ${away === 1 ? 'has' : 'have'} not arrived`,
    silent > 0 && `${formatCounted(silent, 'targets')} ${isAre(silent)} silent`,
  ].filter(Boolean)
  const text = `${share} of ${formatCounted(windows.expected, 'expected windows')} ${isAre(windows.expected)} stored${parts.length > 0 ? `: ${parts.join(', ')}` : ''}.`
  if (windows.lost > 0 || silent > 0 || missing.length > 0) {
    const first = missing[0]?.loss
    const todo = first ? [first.text, first.remedy].filter(Boolean).join('. ') : 'Look at the silent targets'
    return { tone: 'warn', text, todo: `${todo}.` }
  }
  if (queue.late)
    return {
      tone: 'warn',
      text: text + queueText(queue),
      todo: 'They are being sent; nothing is to be done unless the oldest gets older.',
    }
  return { tone: 'ok', text, todo: 'Nothing is to be done.' }
}

function queueText({ windows, sidecars, oldestSeconds }: Queue): string {
  if (windows === 0) return ''
  return ` ${formatCounted(windows, 'windows')} ${windows === 1 ? 'waits' : 'wait'} in ${formatCounted(sidecars, 'sidecars')}, the oldest for ${formatDuration(Math.round(oldestSeconds) * 1e9)}.`
}

function isAre(n: number): string {
  return n === 1 ? 'is' : 'are'
}
