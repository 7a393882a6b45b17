/** Line icons on a 16-pixel grid, drawn for this UI. */
const PATHS = {
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM11 11l3.5 3.5',
  ok: 'M3 8.5 6.5 12 13 4.5',
  warn: 'M8 2 1.5 13.5h13L8 2ZM8 6.5v3.2M8 11.6v.2',
  bad: 'M4 4l8 8M12 4l-8 8',
  same: 'M3 6h10M3 10h10',
  conflict: 'M2 5h9M8 2l3 3-3 3M14 11H5M8 8l-3 3 3 3',
  wait: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.6',
  skip: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM3.8 12.2l8.4-8.4',
  gone: 'M8 2v6M4.2 4.4a5.5 5.5 0 1 0 7.6 0',
  silent: 'M2 6v4h2.5L8 13V3L4.5 6H2ZM11 6l3.5 4M14.5 6 11 10',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  moon: 'M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3Z',
  person: 'M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2.5 14c.6-2.6 2.8-4 5.5-4s4.9 1.4 5.5 4',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.5V8l2.5 1.5',
  link: 'M6.5 9.5l3-3M7 4.5 8.5 3a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5 7.5 13A3 3 0 0 1 3 8.5L4.5 7',
  down: 'M4 6.5 8 10.5l4-4',
  flame: 'M2 13h12M2 9.5h8M4 6h4M5 2.5h2',
  idle: 'M2 11h3l1.5-2L9 12l1.5-1H14M5 3h4L5 7h4',
  store:
    'M2.5 4c0-1.1 2.5-2 5.5-2s5.5.9 5.5 2-2.5 2-5.5 2-5.5-.9-5.5-2ZM2.5 4v8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2V4M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, className = '' }: { name: IconName; className?: string }) {
  return (
    <svg className={`icon ${className}`} viewBox="0 0 16 16" aria-hidden="true">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  )
}

export function Logo() {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <rect x="2" y="16.5" width="20" height="4.5" rx="1.2" fill="#e8590c" />
      <rect x="2" y="10.5" width="13.5" height="4.5" rx="1.2" fill="#f08c00" />
      <rect x="5" y="4.5" width="6" height="4.5" rx="1.2" fill="#fcc419" />
    </svg>
  )
}
