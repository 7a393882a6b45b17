import { describe, expect, test } from 'vitest'
import { targetsOf } from '../../e2e/fixture/targets'
import { countStates, lifeOf, matchesTarget, reasonGroups, shownState, targetName } from './targets'

const NOW = Date.parse('2026-06-15T14:30:42Z') / 1000
const targets = targetsOf(NOW, '')

describe('targets', () => {
  test('equal reasons are one group, with all their targets', () => {
    const groups = reasonGroups(targets)
    expect(groups.map(g => [g.reason.reason, g.targets.length])).toEqual([['conflict', 3]])
    expect(reasonGroups(targets.filter(t => t.state.state !== 'conflict'))).toEqual([])
  })

  test('who no longer reports is silent, whatever was said last; who has exited is gone', () => {
    const [profiled] = targets.filter(t => t.state.state === 'profiled' && !t.silent)
    const [gone] = targets.filter(t => t.state.state === 'gone')
    expect(shownState({ ...profiled, silent: true })).toBe('silent')
    expect(shownState({ ...gone, silent: true })).toBe('gone')
    const counts = countStates([profiled, { ...profiled, silent: true }, gone, gone])
    expect([...counts]).toEqual([
      ['profiled', 1],
      ['silent', 1],
      ['gone', 2],
    ])
  })

  test('a target is found by any part of its identity, and by nothing else', () => {
    const [target] = targets
    const { pod, service, pid, mainClass } = target.identity
    for (const text of ['', ' ', pod.toUpperCase(), service, String(pid), mainClass.slice(-4)])
      expect(matchesTarget(target, text)).toBe(true)
    expect(matchesTarget(target, 'nobody')).toBe(false)
    expect(matchesTarget(target, target.series)).toBe(false)
  })

  test('a name is as short as it stays unambiguous', () => {
    const named = (part: object) =>
      targetName({ ...targets[0], identity: { ...targets[0].identity, pid: 7, ...part } })
    expect(named({ pod: 'p', container: 'c' })).toBe('p/c:7')
    expect(named({ pod: '', container: '', node: 'n' })).toBe('n:7')
    expect(named({ pod: '', container: '', node: '' })).toBe('this host:7')
    expect(named({ pod: 'p', container: '', pid: 0 })).toBe('p')
  })

  test('a pod in which no JVM was seen has none that started', () => {
    const [target] = targets
    const none = { ...target, identity: { ...target.identity, pid: 0, jvmStart: '0001-01-01T00:00:00Z' } }
    expect(lifeOf(none)[0]).toEqual({ name: 'JVM started', at: undefined })
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
