package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/podflame/podflame/backend/profile"
)

// maxTime is the last second that a DateTime holds.
const maxTime = 1<<32 - 1

const insertHeader = `INSERT INTO @.profiles (cluster, namespace, service, type, window_start, duration_s, series_id, window_id, types,
  version, pod, pod_uid, node, container, pid, jvm_start, jvm_version, main_class, session, recorded_start_ns, recorded_end_ns,
  engine, cpu_interval_ns, alloc_interval, lock_threshold_ns, wall_interval_ns, tick_ns,
  captured_value, captured_count, stored_value, stored_count, raw, stacks, kernel_cpu_ns,
  loss_outcome, loss_reason, loss_value, loss_count, loss_duration_ns, loss_bytes, commit_id, content)`

// insertHeaders writes a row for each window, with the losses that no type can
// claim, and one for each of its ledgers. Those of a window share a partition, so
// they are there all or not at all.
func (s *Store) insertHeaders(ctx context.Context, windows []*batch, id uint64) (err error) {
	rows, err := s.begin(ctx, insertHeader, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for _, b := range windows {
		headers := append([]profile.Coverage{{Losses: b.window.Losses}}, b.window.Coverage...)
		for i := range headers {
			if err := rows.Append(append(b.header(&headers[i]), id, b.content)...); err != nil {
				return fmt.Errorf("%w: %w", clickhouse.ErrBatchInvalid, err)
			}
		}
	}
	return rows.Send()
}

func (b *batch) header(c *profile.Coverage) []any {
	w, t, set := b.window, &b.window.Target, b.window.Settings
	types := make([]string, 0, len(w.Coverage))
	for i := range w.Coverage {
		types = append(types, string(w.Coverage[i].Type))
	}
	stacks := 0
	if s := w.Set(c.Type); s != nil {
		stacks = len(s.Stacks)
	}
	row := []any{
		t.Cluster, t.Namespace, t.Service, string(c.Type), w.Start, b.seconds(), b.series, string(w.ID[:]), types,
		t.Version, t.Pod, t.PodUID, t.Node, t.Container, uint32(t.PID), storable(t.JVMStart), t.JVMVersion, t.MainClass,
		w.Session, nanoseconds(w.Recorded.Start), nanoseconds(w.Recorded.End),
		set.Engine, int64(set.CPUInterval), set.AllocInterval, int64(set.LockThreshold), int64(set.WallInterval), int64(set.Tick),
		c.Captured.Value, c.Captured.Count, c.Stored.Value, c.Stored.Count, c.Raw, uint32(stacks), kernelCPU(w, c.Type),
	}
	return append(row, lossColumns(c.Losses)...)
}

// kernelCPU is the kernel's account in ns, kept beside that of the profile; -1 if
// it is not known.
func kernelCPU(w *profile.Window, t profile.Type) int64 {
	if t != profile.CPU || w.KernelCPU == nil {
		return -1
	}
	return int64(*w.KernelCPU)
}

func lossColumns(losses []profile.Loss) []any {
	n := len(losses)
	outcomes, reasons := make([]uint8, n), make([]string, n)
	values, counts, durations, bytes := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, l := range losses {
		outcomes[i], reasons[i] = uint8(l.Outcome), string(l.Reason)
		values[i], counts[i], durations[i], bytes[i] = l.Value, l.Count, int64(l.Duration), l.Bytes
	}
	return []any{outcomes, reasons, values, counts, durations, bytes}
}

// storable brings a time from outside into the range of DateTime64. The zero time
// becomes the epoch, and back.
func storable(t time.Time) time.Time {
	if t.Unix() < 0 || t.Unix() > maxTime {
		return time.Unix(0, 0)
	}
	return t
}

func orZero(t time.Time) time.Time {
	if t.Unix() == 0 {
		return time.Time{}
	}
	return t.UTC()
}

// nanoseconds since the epoch; 0 for times that do not fit.
func nanoseconds(t time.Time) int64 { return storable(t).UnixNano() }
