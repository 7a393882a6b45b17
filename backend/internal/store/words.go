package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// words is a column of LowCardinality(String), of words that repeat. The driver would
// look the word of each row up, by reflection and twice; here a word is looked up once
// for many rows, and the driver gets what it would have made of them.
type words struct {
	places     map[string]uint32
	dictionary []string
	rows       []uint32 // places in the dictionary
}

// newWords has room for n rows. The first word of a dictionary is the empty one.
func newWords(n int) *words {
	return &words{places: map[string]uint32{"": 0}, dictionary: []string{""}, rows: make([]uint32, 0, n)}
}

func (w *words) place(word string) uint32 {
	place, ok := w.places[word]
	if !ok {
		place = uint32(len(w.dictionary))
		w.places[word], w.dictionary = place, append(w.dictionary, word)
	}
	return place
}

// extend appends a word n times.
func (w *words) extend(word string, n int) { w.rows = extend(w.rows, w.place(word), n) }

// add appends words, most of which are like the one before.
func (w *words) add(list []string) {
	before, place := "", uint32(0)
	for _, word := range list {
		if word != before {
			before, place = word, w.place(word)
		}
		w.rows = append(w.rows, place)
	}
}

// into enters the words in a column of a block that has no rows yet.
func (w *words) into(to column.Interface) error {
	if _, ok := to.(*column.LowCardinality); !ok {
		return fmt.Errorf("column %s is a %s, not a LowCardinality(String)", to.Name(), to.Type())
	}
	return to.Decode(proto.NewReader(bytes.NewReader(w.encoded())), len(w.rows))
}

// hasKeys says in the native format that a dictionary comes with the block.
const hasKeys = 1 << 9

// encoded is the column in the native format.
func (w *words) encoded() []byte {
	width, form := w.width()
	b := make([]byte, 0, 32+16*len(w.dictionary)+width*len(w.rows))
	b = binary.LittleEndian.AppendUint64(b, hasKeys|form)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(w.dictionary)))
	for _, word := range w.dictionary {
		b = append(binary.AppendUvarint(b, uint64(len(word))), word...)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(w.rows)))
	for _, place := range w.rows {
		switch width {
		case 1:
			b = append(b, byte(place))
		case 2:
			b = binary.LittleEndian.AppendUint16(b, uint16(place))
		default:
			b = binary.LittleEndian.AppendUint32(b, place)
		}
	}
	return b
}

// width is how many bytes a place in the dictionary takes, and how the format says so.
func (w *words) width() (bytes int, form uint64) {
	switch n := len(w.dictionary); {
	case n <= 1<<8:
		return 1, 0
	case n <= 1<<16:
		return 2, 1
	}
	return 4, 2
}
