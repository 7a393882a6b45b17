interface Props {
  label: string
  all: string // what no choice means
  several: string // what the chosen are, to stand after their number
  chosen: string[]
  options: string[]
  ordered?: boolean // the options are, and not by name
  textOf?: (name: string) => string
  onChange(chosen: string[]): void
}

const same = (name: string) => name

/** One, several or all of what there is. A choice takes the place of the former; what is added to it has a group of its own. */
export function Choices({ label, all, several, chosen, options, ordered, textOf = same, onChange }: Props) {
  const known = [...new Set([...options, ...chosen])].filter(Boolean)
  if (!ordered) known.sort()
  const others = chosen.length > 0 ? known.filter(name => !chosen.includes(name)) : []
  const choose = (value: string) => {
    const [what, name] = [value.slice(0, value.indexOf(' ')), value.slice(value.indexOf(' ') + 1)]
    if (what === 'only') onChange([name])
    else if (what === 'add') onChange([...chosen, name])
    else if (what === 'drop') onChange(chosen.filter(other => other !== name))
    else onChange([])
  }
  return (
    <select
      className="field"
      aria-label={label}
      title={chosen.join(', ')}
      value={chosen.length > 1 ? 'several' : chosen.length === 1 ? `only ${chosen[0]}` : ''}
      onChange={e => choose(e.target.value)}
    >
      {chosen.length > 1 && <option value="several" hidden>{`${chosen.length} ${several}`}</option>}
      <option value="">{all}</option>
      {known.map(name => (
        <option key={name} value={`only ${name}`}>
          {textOf(name)}
        </option>
      ))}
      {others.length > 0 && (
        <optgroup label="Together with">
          {others.map(name => (
            <option key={name} value={`add ${name}`}>{`+ ${name}`}</option>
          ))}
        </optgroup>
      )}
      {chosen.length > 1 && (
        <optgroup label="Without">
          {chosen.map(name => (
            <option key={name} value={`drop ${name}`}>{`− ${name}`}</option>
          ))}
        </optgroup>
      )}
    </select>
  )
}
