import { describe, expect, test } from 'vitest'
import { keyOf } from './keys'

const NONE = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false }

describe('keys', () => {
  test.each([
    [{ key: 'n' }, 'n'],
    [{ key: 'N', shiftKey: true }, 'N'],
    [{ key: '?', shiftKey: true }, '?'],
    [{ key: 'k', ctrlKey: true }, 'Ctrl+K'],
    [{ key: 'k', metaKey: true }, 'Ctrl+K'],
    [{ key: 'Enter', shiftKey: true }, 'Shift+Enter'],
    [{ key: 'Escape' }, 'Esc'],
    [{ key: 'ArrowLeft' }, '←'],
    [{ key: 'n', altKey: true }, 'Alt+n'],
  ])('%o', (pressed, name) => expect(keyOf({ ...NONE, ...pressed })).toBe(name))
})
