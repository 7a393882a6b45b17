package store

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// What arrives is what was entered, with dictionaries of each width.
func TestWordsArrive(t *testing.T) {
	for _, distinct := range []int{0, 1, 2, 255, 256, 257, 65_535, 65_536, 65_537} {
		w, want := newWords(0), []string{"", "", "a", "a", ""}
		w.extend("", 2)
		w.add(want[2:])
		for i := range distinct {
			word := fmt.Sprint("word ", i)
			w.extend(word, 1)
			want = append(want, word)
		}
		w.rows = slices.Concat(w.rows, w.rows[:3])
		want = append(want, want[:3]...)
		sent := lowCardinality(t)
		if err := w.into(sent); err != nil {
			t.Fatal(err)
		}
		var wire proto.Buffer
		sent.Encode(&wire)
		got := lowCardinality(t)
		if err := got.Decode(proto.NewReader(bytes.NewReader(wire.Buf)), len(want)); err != nil {
			t.Fatal(err)
		}
		for i, word := range want {
			if got.Row(i, false) != word {
				t.Fatalf("of %d words, row %d is %q, not %q", distinct, i, got.Row(i, false), word)
			}
		}
		if got.Rows() != len(want) {
			t.Fatalf("%d rows of %d", got.Rows(), len(want))
		}
	}
}

// A column that is no LowCardinality is refused before anything is sent.
func TestWordsNeedTheirColumn(t *testing.T) {
	plain, err := column.Type("String").Column("thread", &column.ServerContext{})
	if err != nil {
		t.Fatal(err)
	}
	if err := newWords(0).into(plain); err == nil {
		t.Error("taken")
	}
}

func lowCardinality(t *testing.T) column.Interface {
	t.Helper()
	c, err := column.Type("LowCardinality(String)").Column("thread", &column.ServerContext{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
