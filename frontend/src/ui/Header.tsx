import { linkTo, type UrlState } from '../url'
import { Account } from './Account'
import { Health } from './Health'
import { Icon, Logo } from './Icon'
import { Link } from './Link'
import { useLive } from './live'
import { RangePicker } from './RangePicker'
import { toggleTheme, useTheme } from './theme'

export function Header({ url }: { url: UrlState }) {
  const theme = useTheme()
  return (
    <header className="header">
      <Link className="brand" href={linkTo(url, 'services')}>
        <Logo />
        <span className="brand-name">Podflame</span>
      </Link>
      <nav className="nav" aria-label="Screens">
        <Link href={linkTo(url, 'services')} aria-current={url.screen === 'services' ? 'page' : undefined}>
          Services
        </Link>
        <Link href={linkTo(url, 'functions')} aria-current={url.screen === 'functions' ? 'page' : undefined}>
          Functions
        </Link>
        <Link href={linkTo(url, 'targets')} aria-current={url.screen === 'targets' ? 'page' : undefined}>
          Targets
        </Link>
        <Link href={linkTo(url, 'ingest')} aria-current={url.screen === 'ingest' ? 'page' : undefined}>
          Ingest
        </Link>
      </nav>
      <div className="header-tools">
        {url.screen !== 'targets' && <RangePicker range={url.range} />}
        <LiveButton fixed={url.screen !== 'targets' && url.range.kind === 'between'} />
        <Health />
        <Account />
        <button
          type="button"
          className="button quiet square"
          onClick={toggleTheme}
          aria-label={theme === 'dark' ? 'Use the light theme' : 'Use the dark theme'}
        >
          <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
        </button>
      </div>
    </header>
  )
}

function LiveButton({ fixed }: { fixed: boolean }) {
  const { live, setLive, refresh } = useLive()
  const toggle = () => {
    setLive(!live)
    if (!live) refresh()
  }
  return (
    <button
      type="button"
      className="button"
      aria-pressed={live && !fixed}
      disabled={fixed}
      title={fixed ? 'The range is fixed; choose a relative one to follow the present' : 'Refresh by itself'}
      onClick={toggle}
    >
      <span className="live-dot" />
      <span className="live-word">Live</span>
    </button>
  )
}
