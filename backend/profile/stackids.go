package profile

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
)

// StackIDs are the ids of the stacks of a set whose functions have these ids. Stacks
// lie beside those that begin alike, so each is hashed from about where it parts from
// the one before.
func (s *StackSet) StackIDs(functions []uint64) []uint64 {
	h := newStackHasher()
	ids := make([]uint64, len(s.Stacks))
	shared := 0
	for i := range s.Stacks {
		own, next := s.own(i, shared), s.sharedBy(i+1)
		if i > 0 && len(own) == 0 && 8*shared == len(h.packed) {
			ids[i] = ids[i-1] // another thread group
		} else {
			h.packed = h.packed[:8*shared]
			for _, f := range own {
				h.packed = binary.LittleEndian.AppendUint64(h.packed, functions[f])
			}
			ids[i] = h.sum(8*shared, 8*next)
		}
		shared = next
	}
	return ids
}

// sharedBy is how many frames a stack has in common with the one before.
func (s *StackSet) sharedBy(i int) int {
	switch {
	case i == 0 || i == len(s.Stacks):
		return 0
	case s.Shared != nil:
		return int(s.Shared[i])
	}
	before, frames := s.Stacks[i-1].Frames, s.Stacks[i].Frames
	n := 0
	for n < len(before) && n < len(frames) && before[n] == frames[n] {
		n++
	}
	return n
}

// own are the frames of a stack after those that it shares.
func (s *StackSet) own(i, shared int) []uint32 {
	if s.Shared != nil {
		return s.Stacks[i].Frames
	}
	return s.Stacks[i].Frames[shared:]
}

// stackHasher hashes stacks one after the other.
type stackHasher struct {
	packed []byte // ids of the functions of a stack
	hash   resumable
	states []hashState // at growing places of packed
	digest []byte
}

// resumable is what sha256.New documents.
type resumable interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// hashState is the state of the hash after so many bytes.
type hashState struct {
	at    int
	state []byte
}

func newStackHasher() *stackHasher {
	return &stackHasher{hash: sha256.New().(resumable)}
}

// worthAState are bytes to hash that take longer than to keep a state and resume it.
const worthAState = 2 * sha256.BlockSize

// sum is the id of the packed stack, which begins like the one before, and the next
// one like it.
func (h *stackHasher) sum(shared, next int) uint64 {
	at := h.resume(shared)
	if mark := next &^ (sha256.BlockSize - 1); mark >= at+worthAState {
		_, _ = h.hash.Write(h.packed[at:mark])
		h.keep(mark)
		at = mark
	}
	_, _ = h.hash.Write(h.packed[at:])
	h.digest = h.hash.Sum(h.digest[:0])
	return binary.LittleEndian.Uint64(h.digest)
}

// resume goes back to the last state within the bytes that are shared.
func (h *stackHasher) resume(shared int) (at int) {
	n := len(h.states)
	for n > 0 && h.states[n-1].at > shared {
		n--
	}
	h.states = h.states[:n]
	if n > 0 && h.hash.UnmarshalBinary(h.states[n-1].state) == nil {
		return h.states[n-1].at
	}
	h.states = h.states[:0]
	h.hash.Reset()
	return 0
}

func (h *stackHasher) keep(at int) {
	n := len(h.states)
	if n == cap(h.states) {
		h.states = append(h.states, hashState{})
	} else {
		h.states = h.states[:n+1] // with the memory of an earlier one
	}
	state, err := h.hash.AppendBinary(h.states[n].state[:0])
	if err != nil {
		h.states = h.states[:n]
		return
	}
	h.states[n] = hashState{at, state}
}
