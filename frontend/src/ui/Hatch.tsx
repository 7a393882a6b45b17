/** The pattern for "nobody knows", which every drawing of the page refers to. */
export function Hatch() {
  return (
    <svg className="sr-only" aria-hidden="true">
      <defs>
        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="1.5" height="6" fill="var(--border-strong)" />
        </pattern>
        <pattern
          id="hatch-lost"
          width="5"
          height="5"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <rect width="2.5" height="5" fill="var(--bad-fill)" />
        </pattern>
      </defs>
    </svg>
  )
}
