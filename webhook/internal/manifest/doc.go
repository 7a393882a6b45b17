// Package manifest carries out the injection on manifests: it finds the pods
// in YAML or JSON documents, asks package inject about each, and writes the
// documents back. What is not changed keeps its bytes; what is changed keeps
// its order, its comments and the fields that our types do not know.
package manifest
