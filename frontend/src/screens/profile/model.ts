/** From the answer of the flame query to what the screen draws. */
import { useMemo } from 'react'
import type { Answer } from '../../api/answer'
import type { Flame } from '../../api/types'
import { DecodeError, decode, type Profile } from '../../profile/decode'
import { buildTree, type Tree } from '../../profile/tree'

export interface Model {
  flame: Flame
  profile: Profile
  tree: Tree
}

export function useModel(answer: Answer<Flame>): Model | DecodeError | undefined {
  const { data } = answer
  return useMemo(() => (data ? makeModel(data) : undefined), [data])
}

function makeModel(flame: Flame): Model | DecodeError {
  try {
    const profile = decode(flame)
    return { flame, profile, tree: buildTree(profile) }
  } catch (error) {
    if (error instanceof DecodeError) return error
    throw error
  }
}
