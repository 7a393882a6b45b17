package jfr

import (
	"fmt"
	"strings"

	"github.com/grafana/jfr-parser/parser/types"
	"github.com/grafana/jfr-parser/parser/types/def"

	"github.com/podflame/podflame/backend/profile"
)

// chunkReader reads the events of one chunk into tallies.
type chunkReader struct {
	header  header
	schema  *schema
	pools   *pools
	options *Options
	state   *state
	// The tally of each type, or nil if the type is not asked for.
	cpu, wall, alloc, lock *tally
	// damaged are the bytes of events that could not be read.
	damaged int64

	execution types.ExecutionSample
	waiting   types.WallClockSample
	inTLAB    types.ObjectAllocationInNewTLAB
	outTLAB   types.ObjectAllocationOutsideTLAB
	allocated types.ObjectAllocationSample
	monitor   types.JavaMonitorEnter
	park      types.ThreadPark
	setting   types.ActiveSetting
}

// read walks all events of the chunk. An event that cannot be decoded costs
// itself; where the next one begins is known from its size. If a size is wrong
// the rest of the chunk cannot be read.
func (r *chunkReader) read(buf []byte) {
	c := cursor{buf: buf, pos: headerBytes}
	for c.pos < len(buf) {
		start := c.pos
		size := c.varint()
		id := def.TypeID(c.varint())
		if c.bad || size == 0 || size > uint64(len(buf)-start) || uint64(c.pos-start) > size {
			r.damaged += r.restOfEvents(int64(start), int64(len(buf)))
			return
		}
		end := start + int(size)
		if err := r.event(id, buf[c.pos:end]); err != nil {
			r.damaged += int64(size)
		}
		c.pos = end
	}
}

// restOfEvents is the number of bytes from at to where the constant pools or
// the chunk end.
func (r *chunkReader) restOfEvents(at, end int64) int64 {
	if at < r.header.pools {
		return r.header.pools - at
	}
	return end - at
}

func (r *chunkReader) event(id def.TypeID, data []byte) error {
	t := r.schema.types
	switch id {
	case t.T_EXECUTION_SAMPLE:
		return r.executionSample(data)
	case t.T_WALL_CLOCK_SAMPLE:
		return r.wallClockSample(data)
	case t.T_ALLOC_IN_NEW_TLAB:
		return r.allocInTLAB(data)
	case t.T_ALLOC_OUTSIDE_TLAB:
		return r.allocOutsideTLAB(data)
	case t.T_ALLOC_SAMPLE:
		return r.allocSample(data)
	case t.T_MONITOR_ENTER:
		return r.monitorEnter(data)
	case t.T_THREAD_PARK:
		return r.threadPark(data)
	case t.T_ACTIVE_SETTING:
		return r.activeSetting(data)
	}
	if name, ok := r.schema.unread[id]; ok {
		r.state.unread[name]++
	}
	return nil
}

// executionSample is a sample of CPU time or, with nobatch, of elapsed time.
// async-profiler tells them apart by the state of the thread; the JDK knows
// only running ones.
func (r *chunkReader) executionSample(data []byte) error {
	if _, err := r.execution.Parse(data, r.schema.execution, r.schema.types); err != nil {
		return err
	}
	e := &r.execution
	if r.pools.isCPUState(uint64(e.State)) {
		return r.add(r.cpu, uint64(e.StackTrace), 0, r.sample(cpuInterval(&r.state.settings), 1), 1)
	}
	return r.add(r.wall, uint64(e.StackTrace), 0, r.sample(wallInterval(&r.state.settings), 1), 1)
}

func (r *chunkReader) wallClockSample(data []byte) error {
	if _, err := r.waiting.Parse(data, r.schema.wall, r.schema.types); err != nil {
		return err
	}
	n := int64(max(r.waiting.Samples, 1))
	return r.add(r.wall, uint64(r.waiting.StackTrace), 0, r.sample(wallInterval(&r.state.settings), n), n)
}

func (r *chunkReader) sample(interval, n int64) weight {
	return weight{profile.Amount{Value: interval * n, Count: n}, n}
}

func (r *chunkReader) allocInTLAB(data []byte) error {
	if _, err := r.inTLAB.Parse(data, r.schema.inTLAB, r.schema.types); err != nil {
		return err
	}
	e := &r.inTLAB
	size := e.TlabSize
	if size == 0 {
		size = e.AllocationSize
	}
	return r.allocation(uint64(e.StackTrace), uint64(e.ObjectClass), size)
}

func (r *chunkReader) allocOutsideTLAB(data []byte) error {
	if _, err := r.outTLAB.Parse(data, r.schema.outTLAB, r.schema.types); err != nil {
		return err
	}
	return r.allocation(uint64(r.outTLAB.StackTrace), uint64(r.outTLAB.ObjectClass), r.outTLAB.AllocationSize)
}

func (r *chunkReader) allocSample(data []byte) error {
	if _, err := r.allocated.Parse(data, r.schema.allocated, r.schema.types); err != nil {
		return err
	}
	return r.allocation(uint64(r.allocated.StackTrace), uint64(r.allocated.ObjectClass), r.allocated.Weight)
}

func (r *chunkReader) allocation(stack, class, size uint64) error {
	if size > maxEventValue {
		return fmt.Errorf("allocation of %d bytes", size)
	}
	w := weight{profile.Amount{Value: int64(size), Count: 1}, int64(size)}
	return r.add(r.alloc, stack, class, w, 1)
}

func (r *chunkReader) monitorEnter(data []byte) error {
	if _, err := r.monitor.Parse(data, r.schema.monitor, r.schema.types); err != nil {
		return err
	}
	e := &r.monitor
	return r.contention(uint64(e.StackTrace), uint64(e.MonitorClass), e.Duration)
}

func (r *chunkReader) threadPark(data []byte) error {
	if _, err := r.park.Parse(data, r.schema.park, r.schema.types); err != nil {
		return err
	}
	e := &r.park
	return r.contention(uint64(e.StackTrace), uint64(e.ParkedClass), e.Duration)
}

func (r *chunkReader) contention(stack, class, ticks uint64) error {
	ns, ok := ticksToNanos(ticks, r.header.ticksPerSecond)
	if !ok {
		return fmt.Errorf("wait of %d ticks at %d ticks per second", ticks, r.header.ticksPerSecond)
	}
	return r.add(r.lock, stack, class, lockWeight(ns, int64(r.state.settings.LockThreshold)), 1)
}

func (r *chunkReader) activeSetting(data []byte) error {
	if _, err := r.setting.Parse(data, r.schema.setting, r.schema.types); err != nil {
		return err
	}
	if name := r.setting.Name; name == "period" && def.TypeID(r.setting.Id) != r.schema.types.T_EXECUTION_SAMPLE {
		return nil
	}
	applySetting(&r.state.settings, strings.TrimSpace(r.setting.Name), strings.TrimSpace(r.setting.Value))
	return nil
}

// add enters an event of a type. samples is the number of samples in it.
func (r *chunkReader) add(to *tally, stack, class uint64, w weight, samples int64) error {
	if to == nil {
		return nil
	}
	if r.options.Raw {
		w = w.unscaled(samples)
	}
	beyond := r.options.MaxEvents > 0 && r.state.events >= r.options.MaxEvents
	if !to.add(stack, class, w, beyond) {
		return fmt.Errorf("a sum exceeds %d", int64(maxTotal))
	}
	r.state.events++
	return nil
}
