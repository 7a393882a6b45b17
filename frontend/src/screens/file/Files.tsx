/** Profiles that are dropped on the page or opened from the disk: shown in place of the screen, stored nowhere. */
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useLayoutEffect,
  useMemo,
  useState,
} from 'react'
import type { FileProfile } from '../../profile/files/opened'
import { Empty, Loading } from '../../ui/Empty'
import { change, useUrl } from '../../ui/location'
import { FileScreen } from './FileScreen'

type Opened =
  | { state: 'reading'; name: string }
  | { state: 'failed'; name: string; message: string }
  | { state: 'open'; name: string; profiles: FileProfile[] }

interface Files {
  open(file: File): void
}

const FilesContext = createContext<Files | undefined>(undefined)

export function useFiles(): Files {
  const files = useContext(FilesContext)
  if (!files) throw new Error('useFiles outside of FilesProvider')
  return files
}

export function FilesProvider({ children }: { children: ReactNode }) {
  const [opened, setOpened] = useState<Opened>()
  const open = useCallback((file: File) => {
    setOpened({ state: 'reading', name: file.name })
    change({ search: '', fn: '', zoom: [], steps: [], fold: [], grey: [] })
    read(file).then(setOpened)
  }, [])
  const dragging = useDrop(open)
  const { screen, service } = useUrl()
  const place = `${screen}/${service}`
  const [openedAt, setOpenedAt] = useState(place)
  if (openedAt !== place) {
    setOpenedAt(place) // who goes to another screen leaves the file
    setOpened(undefined)
  }
  const files = useMemo(() => ({ open }), [open])
  const close = () => {
    change({ search: '', fn: '', zoom: [], steps: [], fold: [], grey: [] })
    setOpened(undefined)
  }
  return (
    <FilesContext value={files}>
      {opened ? <Shown opened={opened} onClose={close} /> : children}
      {dragging && (
        <div className="drop-here" aria-hidden="true">
          <p>Drop a profile to look at it: pprof, speedscope or collapsed stacks</p>
        </div>
      )}
    </FilesContext>
  )
}

function Shown({ opened, onClose }: { opened: Opened; onClose(): void }) {
  if (opened.state === 'reading') return <Loading what={opened.name} />
  if (opened.state === 'open') return <FileScreen {...opened} onClose={onClose} />
  return (
    <Empty
      icon="warn"
      title={`${opened.name} cannot be shown`}
      actions={
        <button type="button" className="button" onClick={onClose}>
          Back
        </button>
      }
    >
      <p>{opened.message}.</p>
    </Empty>
  )
}

/** The decoders are only loaded when there is a file. */
async function read(file: File): Promise<Opened> {
  try {
    const { openProfile } = await import('../../profile/files/open')
    return { state: 'open', name: file.name, profiles: await openProfile(file) }
  } catch (error) {
    return {
      state: 'failed',
      name: file.name,
      message: error instanceof Error ? error.message : String(error),
    }
  }
}

/** Whether a file is being dragged over the window. */
function useDrop(onFile: (file: File) => void): boolean {
  const [dragging, setDragging] = useState(false)
  useLayoutEffect(() => {
    const stop = new AbortController()
    const options = { signal: stop.signal }
    const hasFile = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false
    const over = (event: DragEvent) => {
      if (!hasFile(event)) return
      event.preventDefault()
      setDragging(true)
    }
    window.addEventListener('dragover', over, options)
    window.addEventListener('dragleave', event => event.relatedTarget === null && setDragging(false), options)
    window.addEventListener(
      'drop',
      event => {
        setDragging(false)
        if (!hasFile(event)) return
        event.preventDefault()
        const file = event.dataTransfer?.files[0]
        if (file) onFile(file)
      },
      options,
    )
    return () => stop.abort()
  }, [onFile])
  return dragging
}
