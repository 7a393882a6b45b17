// Package pyroscope answers the reading half of Pyroscope's documented API, so
// that Grafana's data source, profilecli and other clients of it can read what
// Podflame keeps: the Connect methods of querier.v1.QuerierService for labels,
// series and merged stacks, and /pyroscope/render.
//
// It stands on Podflame's own API (api/openapi.yaml), which it asks as the
// caller: a request is let in, scoped, limited, counted and ended there like any
// other. What an answer lacks stands in the name of its root, in the comments of
// a pprof and in the header Podflame-Coverage: Pyroscope's formats have no place
// for it.
package pyroscope
