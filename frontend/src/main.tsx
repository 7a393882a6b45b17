import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app'
import { applyTheme } from './ui/theme'
import './theme.css'
import './styles/base.css'
import './styles/header.css'
import './styles/controls.css'
import './styles/login.css'
import './styles/table.css'
import './styles/profile.css'
import './styles/flame.css'
import './styles/compare.css'
import './styles/changes.css'
import './styles/functions.css'
import './styles/ingest.css'
import './styles/compact.css'
import './styles/dialog.css'

applyTheme()
const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no element #root')
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
