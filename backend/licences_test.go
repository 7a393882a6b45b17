package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/podflame/podflame/backend/internal/store/storetest"
)

func TestLicencesOfTheClickHouseInside(t *testing.T) {
	var out, log bytes.Buffer
	if err := run(t.Context(), []string{"licences", "--clickhouse-library", storetest.Library(t)}, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, want := range []string{"jemalloc", "zlib", "Redistribution and use in source and binary forms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %d bytes of licences", want, out.Len())
		}
	}
}

func TestLicencesWithoutALibrary(t *testing.T) {
	err := run(t.Context(), []string{"licences", "--clickhouse-library", "/nowhere/libchdb.so"}, &bytes.Buffer{}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/libchdb.so") {
		t.Errorf("error is %v", err)
	}
}
