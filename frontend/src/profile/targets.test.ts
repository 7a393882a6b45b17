import { describe, expect, test } from 'vitest'
import { targetsOf } from '../../e2e/fixture/targets'
import { lifeOf, reasonGroups } from './targets'

const NOW = Date.parse('2026-06-15T14:30:42Z') / 1000
const targets = targetsOf(NOW, '')

describe('targets', () => {
  test('equal reasons are one group, with all their targets', () => {
    const groups = reasonGroups(targets)
    expect(groups.map(g => [g.reason.reason, g.targets.length])).toEqual([['conflict', 3]])
    expect(reasonGroups(targets.filter(t => t.state.state !== 'conflict'))).toEqual([])
  })

  test('a life goes from the start of the JVM to the last window, if there was one', () => {
    const [profiled] = targets.filter(t => t.state.state === 'profiled')
    expect(lifeOf(profiled).map(step => step.name)).toEqual(['JVM started', 'profiled', 'last window'])
    const [conflict] = targets.filter(t => t.state.state === 'conflict')
    expect(lifeOf(conflict).map(step => [step.name, step.at !== undefined])).toEqual([
      ['JVM started', true],
      ['conflict', true],
      ['last window', false],
    ])
  })
})
