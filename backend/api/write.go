package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Write answers a request with JSON. An error of writing is the client's: it
// went away.
func Write(w http.ResponseWriter, status int, body any) {
	encoded, status := encode(status, body)
	begin(w, "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded)
}

// File is an answer that is no JSON.
type File struct {
	Name      string // under which a browser keeps it
	MediaType string
	Packed    bool // compressed already
	Body      []byte
}

// Answer writes a success, see Encode. It is compressed if the client takes that and it is
// large.
func Answer(w http.ResponseWriter, r *http.Request, body any) {
	e := Encode(r, body)
	e.Pack()
	e.Send(w)
}

// Encoded is an answer that only has to be sent.
type Encoded struct {
	file   File
	status int
	packed bool // now
	pack   bool // the client takes that, and it is large
}

// Encode makes an answer of a success: a File as it is, anything else as JSON.
func Encode(r *http.Request, body any) *Encoded {
	file, ok := body.(File)
	e := &Encoded{file: file, status: http.StatusOK}
	if !ok {
		e.file.MediaType = "application/json"
		e.file.Body, e.status = encode(http.StatusOK, body)
	}
	e.pack = !file.Packed && len(e.file.Body) > leastPacked && takesGzip(r)
	return e
}

// Pack compresses an answer if its client takes that and it is large.
func (e *Encoded) Pack() {
	if !e.pack {
		return
	}
	if packed, err := pack(e.file.Body); err == nil {
		e.file.Body, e.packed, e.pack = packed, true, false
	}
}

// Size is the number of bytes to send.
func (e *Encoded) Size() int64 { return int64(len(e.file.Body)) }

// Send writes the answer. An error of writing is the client's: it went away.
func (e *Encoded) Send(w http.ResponseWriter) {
	if e.file.Name != "" {
		w.Header().Set("Content-Disposition", `attachment; filename="`+e.file.Name+`"`)
	}
	begin(w, e.file.MediaType)
	w.Header().Add("Vary", "Accept-Encoding")
	if e.packed {
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(e.file.Body) //nolint:gosec // the media type is never HTML
}

// leastPacked fits one packet: compressing less saves nobody time.
const leastPacked = 1400

func begin(w http.ResponseWriter, mediaType string) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
}

func encode(status int, body any) ([]byte, int) {
	encoded, err := json.Marshal(body)
	if err != nil {
		status = http.StatusInternalServerError
		encoded = []byte(`{"code":"internal","message":"the answer could not be encoded","hint":""}`)
	}
	return append(encoded, '\n'), status
}

// takesGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			weight, given := strings.CutPrefix(strings.TrimSpace(parameters), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			return !given || err == nil && q > 0
		}
	}
	return false
}

func pack(body []byte) ([]byte, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
