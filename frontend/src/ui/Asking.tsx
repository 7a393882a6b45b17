import { useIsFetching } from '@tanstack/react-query'

/** A line at the top of the window while an answer is awaited that is not on screen yet; fast ones never show it. */
export function Asking() {
  const asking = useIsFetching({ predicate: query => query.state.data === undefined }) > 0
  return <div className="asking" data-asking={asking} aria-hidden="true" />
}
