// Package ingest takes what sidecars upload: windows and reports on targets.
//
// A window is answered with 200 only after the store has it, and of a window that
// comes again the store keeps one, so an upload may be repeated at will. Every
// refusal says which limit, which value and what to do, under a profile.Reason, and
// is either final (4xx: the sidecar enters the loss in its ledger) or worth another
// attempt (429 and 503 with Retry-After). What the network did to an upload is never
// final.
//
// Memory is bounded whatever arrives: bytes of bodies are admitted as they are
// received, and windows by what they are in memory, measured before they are built,
// until they are stored. No source, a namespace or an address, can use up what all
// share.
package ingest
