/** Collapsed stacks: a;b;c 42 on every line. */
import { amountOf, FileError, type FileProfile, FunctionTable } from './opened'

const LINE = /^(.*) (\d+(?:\.\d+)?)$/

/** How async-profiler marks a frame with -a: compiled, inlined, interpreted, C1, kernel. */
const MARK = /_\[(.)\]$/

export function looksCollapsed(text: string): boolean {
  const first = text.split('\n', 1)[0].trimEnd()
  return LINE.test(first)
}

export function parseCollapsed(text: string): FileProfile[] {
  const table = new FunctionTable()
  const stacks: { frames: number[]; value: number }[] = []
  text.split('\n').forEach((raw, i) => {
    const line = raw.trimEnd()
    if (line === '') return
    const match = LINE.exec(line)
    if (!match) throw new FileError(`Line ${i + 1} does not end with a number: ${line.slice(0, 80)}`)
    const frames = match[1].split(';').filter(Boolean)
    stacks.push({
      frames: frames.map(f => addFrame(table, f)),
      value: amountOf(Number(match[2]), `Line ${i + 1}`),
    })
  })
  const profile = table.tree(add => {
    for (const { frames, value } of stacks) add(frames, value, value)
  })
  return [{ label: 'samples', unit: '', profile }]
}

function addFrame(table: FunctionTable, text: string): number {
  const mark = MARK.exec(text)?.[1]
  const plain = mark ? text.replace(MARK, '') : text
  const name = mark !== 'k' && /^[\w$/]+\.[\w$<>]+$/.test(plain) ? plain.replaceAll('/', '.') : plain
  return table.add(name, mark === 'k' ? 'kernel' : mark ? 'java' : '')
}
