import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { useEffect } from 'react'
import { ApiError } from './api/client'
import { SESSION_KEY } from './api/session'
import { Changes } from './screens/changes/Changes'
import { Compare } from './screens/compare/Compare'
import { FilesProvider } from './screens/file/Files'
import { Functions } from './screens/functions/Functions'
import { Ingest } from './screens/ingest/Ingest'
import { Profile } from './screens/profile/Profile'
import { Services } from './screens/services/Services'
import { Targets } from './screens/targets/Targets'
import { SeesNothing } from './ui/Account'
import { Asking } from './ui/Asking'
import { Empty } from './ui/Empty'
import { Gate } from './ui/Gate'
import { Hatch } from './ui/Hatch'
import { Header } from './ui/Header'
import { StoreBanner } from './ui/Health'
import { Link } from './ui/Link'
import { LiveProvider } from './ui/live'
import { useUrl } from './ui/location'
import { Palette } from './ui/Palette'
import { ShortcutHelp, ShortcutsProvider } from './ui/shortcuts'
import { formatUrl, linkTo, type UrlState } from './url'

/** Every refresh has its own key, so old answers are soon of no use. */
const KEEP_UNUSED_MS = 30_000

const client = new QueryClient({
  queryCache: new QueryCache({
    // A session may end at any moment: ask who we are, and the gate shows the login.
    onError: (error, query) => {
      if (error instanceof ApiError && error.status === 401 && query.queryKey !== SESSION_KEY) {
        void client.invalidateQueries({ queryKey: SESSION_KEY })
      }
    },
  }),
  defaultOptions: {
    queries: {
      gcTime: KEEP_UNUSED_MS,
      staleTime: KEEP_UNUSED_MS,
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 1 && error instanceof ApiError && error.status === 0,
      networkMode: 'always',
    },
  },
})

export function App() {
  const url = useUrl()
  useEffect(() => {
    document.title = titleOf(url)
  }, [url])
  return (
    <QueryClientProvider client={client}>
      <LiveProvider range={url.range}>
        <ShortcutsProvider>
          <div className="app">
            <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
              Skip to content
            </button>
            <Hatch />
            <Asking />
            <Gate>
              <Header url={url} />
              <StoreBanner />
              <SeesNothing />
              <main id="main" tabIndex={-1}>
                <FilesProvider>
                  <Screen url={url} />
                </FilesProvider>
              </main>
              <ShortcutHelp />
              <Palette url={url} />
            </Gate>
          </div>
        </ShortcutsProvider>
      </LiveProvider>
    </QueryClientProvider>
  )
}

function Screen({ url }: { url: UrlState }) {
  if (url.bad.length > 0 && url.screen !== 'unknown') return <BadAddress url={url} />
  switch (url.screen) {
    case 'services':
      return <Services url={url} />
    case 'functions':
      return <Functions url={url} />
    case 'ingest':
      return <Ingest url={url} />
    case 'targets':
      return <Targets url={url} />
    case 'profile':
      return <Profile url={url} key={`${url.cluster}/${url.namespace}/${url.service}`} />
    case 'changes':
      return <Changes url={url} />
    case 'compare':
      return <Compare url={url} />
    default:
      return (
        <Empty
          icon="search"
          title="There is no such page"
          actions={
            <Link className="button" href={linkTo(url, 'services')}>
              Go to the services
            </Link>
          }
        />
      )
  }
}

/** What was asked for cannot be answered, and nothing else is shown in its place. */
function BadAddress({ url }: { url: UrlState }) {
  const services = url.bad.some(part => part.name === 'service')
  return (
    <Empty
      icon="warn"
      title="This address cannot be answered as it stands"
      actions={
        <Link className="button" href={services ? linkTo(url, 'services') : formatUrl(url)}>
          {services ? 'Go to the services' : 'Leave these parts out'}
        </Link>
      }
    >
      <ul>
        {url.bad.map(({ name, value, remedy }) => (
          <li key={name}>
            <code>
              {name}={value}
            </code>{' '}
            {value === '' ? 'is missing' : 'is not valid'}. {remedy}.
          </li>
        ))}
      </ul>
      <p className="small">
        Reason code <code>bad_parameter</code>
      </p>
    </Empty>
  )
}

function titleOf(url: UrlState): string {
  const names: Record<UrlState['screen'], string> = {
    services: 'Services',
    functions: 'Functions of all services',
    profile: url.service,
    compare: `Compare ${url.service}`,
    changes: `What changed in ${url.service}`,
    targets: 'Targets',
    ingest: 'Ingest',
    unknown: 'Not found',
  }
  return `${names[url.screen]} · Podflame`
}
