/** From the answer of a query, and what the user does to it, to what the screen draws. */
import { useMemo } from 'react'
import type { Answer } from '../../api/answer'
import type { Flame } from '../../api/types'
import type { Colors } from '../../flame/colors'
import { DecodeError, decode, type Profile } from '../../profile/decode'
import { inGroups } from '../../profile/groups'
import { applyStep, foldFunctions } from '../../profile/transform'
import { buildTree, ROOT, type Tree } from '../../profile/tree'
import { TYPE_LABELS } from '../../profile/units'
import { useTheme } from '../../ui/theme'
import type { UrlState } from '../../url'

export interface Model {
  answer: Flame // as it came
  flame: Flame // as it is drawn
  amount: string // what a value is called, to stand after it
  byCount: boolean // no sample has a value: frames are as wide as their samples are many
  profile: Profile
  tree: Tree
  changed: boolean // steps or folded groups have made another tree of it
}

export function useModel(answer: Answer<Flame>): Model | DecodeError | undefined {
  const { data } = answer
  return useMemo(() => (data ? makeModel(data) : undefined), [data])
}

function makeModel(answer: Flame): Model | DecodeError {
  try {
    const byCount = answer.total.value === 0 && answer.total.count > 0
    const flame = byCount ? countsAsValues(answer) : answer
    const profile = decode(flame)
    const { amount } = TYPE_LABELS[answer.type]
    return { answer, flame, amount, byCount, profile, tree: buildTree(profile), changed: false }
  } catch (error) {
    if (error instanceof DecodeError) return error
    throw error
  }
}

/** The tree after the steps and with the folded groups in their callers. */
export function useChanged(model: Model, { steps, fold }: Pick<UrlState, 'steps' | 'fold'>): Model {
  const key = JSON.stringify([steps, fold])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for steps and fold, which are new with every URL
  return useMemo(() => changedModel(model, steps, fold), [model, key])
}

export function changedModel(model: Model, steps: UrlState['steps'], fold: string[]): Model {
  if (steps.length === 0 && fold.length === 0) return model
  let { profile, tree } = model
  for (const step of steps) {
    profile = applyStep(profile, tree, step)
    tree = buildTree(profile)
  }
  const folded = inGroups(profile, fold)
  if (folded) {
    profile = foldFunctions(profile, tree, folded)
    tree = buildTree(profile)
  }
  return { ...model, profile, tree, changed: true }
}

export function useColors(profile: Profile, { coloring, grey }: Pick<UrlState, 'coloring' | 'grey'>): Colors {
  const theme = useTheme()
  const groups = grey.join(',')
  return useMemo(
    () => ({ theme, coloring, greyed: inGroups(profile, groups.split(',').filter(Boolean)) }),
    [theme, coloring, profile, groups],
  )
}

/** What the tree on screen amounts to, which is less than the total where steps took stacks out. */
export function shownTotal({ tree }: Model): number {
  return tree.total[ROOT]
}

function countsAsValues(flame: Flame): Flame {
  const { count } = flame.total
  return {
    ...flame,
    unit: flame.countUnit,
    values: flame.counts,
    total: { value: count, count },
    outside: { value: flame.outside.count, count: flame.outside.count },
    omitted: { ...flame.omitted, value: flame.omitted.count },
  }
}
