// Package api is the HTTP contract of the backend: openapi.yaml, the Go types
// of its schemas, and how errors are written. The types are written by hand;
// tests of ingest and query hold every answer against openapi.yaml.
//
// Lists and maps are never null: constructors and handlers fill them.
package api

import _ "embed"

// Document is openapi.yaml.
//
//go:embed openapi.yaml
var Document []byte
