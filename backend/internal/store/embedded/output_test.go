package embedded

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestOutputIsBounded(t *testing.T) {
	var logged bytes.Buffer
	l := newLineLog(slog.New(slog.NewTextHandler(&logged, nil)))
	for range 1000 {
		if n, err := l.Write([]byte("half ")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := l.Write([]byte(strings.Repeat("x", 10*maxLine) + "\nnext\n\n\xff")); err != nil {
			t.Fatal(err)
		}
	}
	if lines := strings.Count(logged.String(), "\n"); lines != maxLinesInterval {
		t.Errorf("%d lines logged, want %d", lines, maxLinesInterval)
	}
	if tail := l.tail(); len(tail) > (tailLines+1)*(maxLine+3) || !strings.Contains(tail, "next") {
		t.Errorf("tail of %d bytes", len(tail))
	}
	_, _ = l.Write([]byte("\n"))
	for range tailLines {
		_, _ = l.Write([]byte("12. ? @ 0x000000001c92c63f\n"))
	}
	if strings.Contains(l.tail(), "0x") {
		t.Errorf("frames hide what was said before: %s", l.tail())
	}
	if newLineLog(slog.New(slog.DiscardHandler)).tail() != "no output" {
		t.Error("tail of nothing")
	}
}
