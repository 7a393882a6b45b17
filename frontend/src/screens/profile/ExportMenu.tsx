import { type RefObject, useRef, useState } from 'react'
import { type Between, type ExportFormat, exportFile } from '../../api/queries'
import type { FlameView } from '../../flame/view'
import { collapsedOf, speedscopeOf } from '../../profile/files/write'
import { ROOT } from '../../profile/tree'
import { Icon } from '../../ui/Icon'
import { Popover } from '../../ui/Popover'
import type { UrlState } from '../../url'
import { useFiles } from '../file/Files'
import { describe } from './frameText'
import type { Model } from './model'

const FILES: readonly (readonly [ExportFormat, string, string])[] = [
  ['pprof', 'pprof', 'pb.gz'],
  ['collapsed', 'Collapsed stacks', 'collapsed.txt'],
  ['speedscope', 'speedscope', 'speedscope.json'],
]

interface Props {
  url: UrlState
  range: Between
  model: Model
  zoom: number
  stored: boolean
  view: RefObject<FlameView | null>
}

/** Ways out, for other tools and for reports, and the way in for their files. */
export function ExportMenu({ url, range, model, zoom, stored, view }: Props) {
  const [said, say] = useState('')
  const { open } = useFiles()
  const input = useRef<HTMLInputElement>(null)
  const name = `${url.service || 'profile'}.${url.type}`
  const save = (what: string, ending: string, content: Promise<Blob | null>) => {
    say(`Preparing ${what}…`)
    content.then(
      blob => {
        say(blob ? '' : `The browser gives no ${what}`)
        if (blob) download(blob, `${name}.${ending}`)
      },
      (error: Error) => say(error.message),
    )
  }
  const svg = () => view.current?.toSVG(node => describe(model, node, zoom)) ?? ''
  const { profile, tree, flame } = model
  const shown = { profile, tree, zoom }
  const saveShown = (what: string, ending: string, write: () => Blob) =>
    save(what, `shown.${ending}`, Promise.resolve().then(write))
  return (
    <Popover
      className="export"
      bodyClass="export-body"
      summary={
        <>
          Export
          <Icon name="down" />
        </>
      }
      label="Export"
    >
      {() => (
        <>
          {stored && (
            <section>
              <h3>All of the range</h3>
              {FILES.map(([format, label, ending]) => (
                <button
                  type="button"
                  className="button"
                  key={format}
                  onClick={() => save(label, ending, exportFile(url, range, format))}
                >
                  {label}
                </button>
              ))}
              {(model.changed || zoom !== ROOT) && (
                <p className="muted small">
                  Without the zoom and the steps that are on screen: those are in the files below.
                </p>
              )}
            </section>
          )}
          {url.view !== 'sandwich' && (
            <section>
              <h3>What is shown</h3>
              <button
                type="button"
                className="button"
                aria-label="Collapsed stacks of what is shown"
                onClick={() => saveShown('Collapsed stacks', 'collapsed.txt', () => collapsedOf(shown))}
              >
                Collapsed stacks
              </button>
              <button
                type="button"
                className="button"
                aria-label="speedscope of what is shown"
                onClick={() =>
                  saveShown('speedscope', 'speedscope.json', () =>
                    speedscopeOf(shown, name, flame.unit, flame.countUnit),
                  )
                }
              >
                speedscope
              </button>
              {url.view !== 'top' && (
                <>
                  <button
                    type="button"
                    className="button"
                    onClick={() =>
                      save('SVG', 'svg', Promise.resolve(new Blob([svg()], { type: 'image/svg+xml' })))
                    }
                  >
                    SVG
                  </button>
                  <button
                    type="button"
                    className="button"
                    onClick={() => save('PNG', 'png', view.current?.toPNG() ?? Promise.resolve(null))}
                  >
                    PNG
                  </button>
                </>
              )}
            </section>
          )}
          <section>
            <h3>Look at a file</h3>
            <button type="button" className="button" onClick={() => input.current?.click()}>
              Open a file…
            </button>
            <p className="muted small">
              pprof, speedscope or collapsed stacks; or drop it anywhere. It stays in this browser.
            </p>
            <input
              ref={input}
              type="file"
              hidden
              onChange={event => {
                const [file] = event.currentTarget.files ?? []
                if (file) open(file)
              }}
            />
          </section>
          <p className="small" role="status">
            {said}
          </p>
        </>
      )}
    </Popover>
  )
}

/** Long enough for a browser to have taken it. */
const KEEP_URL_MS = 60_000

function download(blob: Blob, name: string) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  window.setTimeout(() => URL.revokeObjectURL(link.href), KEEP_URL_MS)
}
