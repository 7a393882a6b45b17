// Package wire holds the messages of querier.proto as protoc-gen-go writes them;
// TestGenerated writes them anew with -update (make golden).
package wire
