import { expect, test } from 'vitest'
import { KINDS } from './decode'
import { groupOf, groupsOf, inGroups } from './groups'
import { profileOf } from './testdata'

test.each([
  ['com.acme.Checkout.pay', 'java', 'mine'],
  ['shop.Pricing.price', 'java', 'mine'],
  ['java.util.HashMap.get', 'java', 'jdk'],
  ['javassist.X.y', 'java', 'mine'],
  ['org.springframework.web.X.y', 'java', 'framework'],
  ['java.lang.Object', 'class', 'class'],
  ['__memcpy', 'native', 'native'],
  ['do_syscall_64', 'kernel', 'kernel'],
])('%s (%s) is %s', (name, kind, group) => {
  expect(groupOf(name, (KINDS as readonly string[]).indexOf(kind))).toBe(group)
})

test('the groups that occur, in order, and who is in them', () => {
  const profile = profileOf(
    { 'java.a.B.c;x.Y.z;sys': 10, 'x.Y.z;(omitted)': 5 },
    { sys: 'kernel', '(omitted)': 'omitted' },
  )
  expect(groupsOf(profile).map(g => g.group)).toEqual(['mine', 'jdk', 'kernel'])
  const marked = inGroups(profile, ['jdk', 'kernel', 'omitted'])
  expect(profile.functions.filter((_, fn) => marked?.[fn] === 1)).toEqual(['java.a.B.c', 'sys'])
  expect(inGroups(profile, [])).toBeUndefined()
})
