import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { useEffect } from 'react'
import { ApiError } from './api/client'
import { Profile } from './screens/profile/Profile'
import { Services } from './screens/services/Services'
import { Targets } from './screens/targets/Targets'
import { Empty } from './ui/Empty'
import { Hatch } from './ui/Hatch'
import { Header } from './ui/Header'
import { StoreBanner } from './ui/Health'
import { Link } from './ui/Link'
import { LiveProvider } from './ui/live'
import { useUrl } from './ui/location'
import { linkTo, type UrlState } from './url'

/** Every refresh has its own key, so old answers are soon of no use. */
const KEEP_UNUSED_MS = 30_000

const client = new QueryClient({
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
        <div className="app">
          <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
            Skip to content
          </button>
          <Hatch />
          <Header url={url} />
          <StoreBanner />
          <main id="main" tabIndex={-1}>
            <Screen url={url} />
          </main>
        </div>
      </LiveProvider>
    </QueryClientProvider>
  )
}

function Screen({ url }: { url: UrlState }) {
  switch (url.screen) {
    case 'services':
      return <Services url={url} />
    case 'targets':
      return <Targets url={url} />
    case 'profile':
      return <Profile url={url} key={`${url.cluster}/${url.namespace}/${url.service}`} />
    case 'unknown':
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

function titleOf(url: UrlState): string {
  const names = { services: 'Services', targets: 'Targets', profile: url.service, unknown: 'Not found' }
  return `${names[url.screen]} · Podflame`
}
