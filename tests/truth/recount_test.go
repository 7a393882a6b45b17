package truth

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

type amount struct{ Value, Count int64 }

func (a amount) sub(b amount) amount { return amount{a.Value - b.Value, a.Count - b.Count} }

func (a amount) add(b amount) amount { return amount{a.Value + b.Value, a.Count + b.Count} }

// recount is what the recordings of a JVM hold.
type recount struct {
	recorded time.Duration // by the headers of finished chunks
	rest     int64         // bytes behind the last of them, in all recordings
	types    map[string]*tally
}

type tally struct {
	total  amount
	stacks map[string]amount // frames with their kinds, root first, separated by semicolons
}

// recount counts the finished chunks of all recordings of a JVM.
func (f *fleet) recount(t *testing.T, l *life) recount {
	t.Helper()
	out := recount{types: map[string]*tally{}}
	kept, err := filepath.Glob(filepath.Join(l.work, "kept", "*.jfr"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-Xmx256m", "-cp", f.classes, "Recount", strconv.Itoa(int(interval)), strconv.Itoa(int(threshold))}
	for _, path := range kept {
		finished, recorded, rest := finishedChunks(t, path)
		out.recorded += recorded
		out.rest += rest
		if finished != "" {
			args = append(args, finished)
		}
	}
	if len(args) == 6 {
		return out
	}
	cmd := exec.Command("java", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("recount: %v\n%s", err, stderr.String())
	}
	n := profile.NewNormalizer()
	lines := bufio.NewScanner(bytes.NewReader(stdout))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := out.enter(lines.Text(), n); err != nil {
			t.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// enter enters a line of Recount: file, events, count, value, type, stack.
func (r *recount) enter(line string, n *profile.Normalizer) error {
	fields := strings.SplitN(line, "\t", 6)
	if len(fields) != 6 {
		return fmt.Errorf("line %q", line)
	}
	count, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return err
	}
	value, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return err
	}
	t := r.types[fields[4]]
	if t == nil {
		t = &tally{stacks: map[string]amount{}}
		r.types[fields[4]] = t
	}
	frames := strings.Split(fields[5], ";")
	for i, frame := range frames {
		space := strings.LastIndexByte(frame, ' ')
		name, kind := frame[:space], frame[space+1:]
		if kind == "java" || kind == "class" {
			name = n.Name(name)
		}
		frames[i] = name + " " + kind
	}
	key, a := strings.Join(frames, ";"), amount{value, count}
	t.stacks[key] = t.stacks[key].add(a)
	t.total = t.total.add(a)
	return nil
}

// finishedChunks copies the finished chunks of a recording into a file of their
// own, which the JDK's reader reads, and adds up the time that their headers
// claim and the bytes behind them. Only the last chunk can be unfinished: its JVM
// was killed.
func finishedChunks(t *testing.T, path string) (string, time.Duration, int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const header = 68
	end, recorded := 0, time.Duration(0)
	for end+header <= len(data) {
		chunk := data[end:]
		size, pools := binary.BigEndian.Uint64(chunk[8:]), binary.BigEndian.Uint64(chunk[16:])
		if string(chunk[:4]) != "FLR\x00" {
			t.Fatalf("%s: byte %d of %d begins no chunk", path, end, len(data))
		}
		if pools == 0 || size > uint64(len(chunk)) {
			break
		}
		recorded += time.Duration(binary.BigEndian.Uint64(chunk[40:]))
		end += int(size)
	}
	rest := int64(len(data) - end)
	if end == 0 {
		return "", 0, rest
	}
	finished := strings.TrimSuffix(path, ".jfr") + ".finished"
	if err := os.WriteFile(finished, data[:end], 0o600); err != nil {
		t.Fatal(err)
	}
	return finished, recorded, rest
}

// flame is what the tests look at in an answer of the API.
type flame struct {
	api.Graph
	Total    amount
	Coverage struct {
		Captured, Stored, Truncated, Dropped amount
		Losses, NotCaptured                  []loss
	}
}

type loss struct {
	Outcome, Reason                 string
	Value, Count, DurationNs, Bytes int64
}

// stacks returns what was measured in each stack, as recount does.
func (f flame) stacks() map[string]amount {
	out := map[string]amount{}
	for node, count := range f.Counts {
		if count == 0 && f.Values[node] == 0 {
			continue
		}
		var frames []string
		for at := int32(node); f.Parents[at] >= 0; at = f.Parents[at] {
			frames = append([]string{f.Functions[f.Frames[at]] + " " + f.Kinds[f.Frames[at]]}, frames...)
		}
		key := strings.Join(frames, ";")
		out[key] = out[key].add(amount{f.Values[node], count})
	}
	return out
}
