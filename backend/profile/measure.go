package profile

// What a window is in memory, in bytes, with the columns that are made of it.
const (
	functionBytes = 40  // Function, its id, rounded up
	stackBytes    = 100 // Stack, what it shares, and a row of samples
	frameBytes    = 4
)

// measure adds up what the stack sets of a window would be in memory. It reads the
// columns of lengths only.
func measure(message []byte, limits DecodeLimits) (int64, error) {
	total, frames := int64(len(message)/8), 0 // ledgers and the rest; frames that stacks share count each time
	err := fields(message, func(f field) error {
		if f.number != fieldSets && f.number != fieldLaterSets {
			return nil
		}
		n, of, err := measureSet(f.bytes, limits)
		total += n
		if frames += of; err == nil && frames > limits.MaxFrames {
			return exceeded("frames of a window", frames, limits.MaxFrames)
		}
		return err
	})
	return total, err
}

func measureSet(b []byte, limits DecodeLimits) (bytes int64, frames int, err error) {
	functions, stacks, further := 0, 0, 0
	err = fields(b, func(f field) error {
		switch f.number {
		case 2:
			if functions++; functions > limits.MaxFunctions {
				return exceeded("functions of a set", functions, limits.MaxFunctions)
			}
			bytes += functionBytes + int64(len(f.bytes))
		case 4, 5: // frames shared with the stack before, and others
			n, sum, err := addUp("frames of a stack", f.bytes, limits.MaxDepth)
			if err != nil {
				return err
			}
			stacks, frames = max(stacks, n), frames+sum
			if f.number == 5 {
				bytes += frameBytes * int64(sum)
			}
			if frames > limits.MaxFrames {
				return exceeded("frames of a set", frames, limits.MaxFrames)
			}
			if stacks > limits.MaxStacks {
				return exceeded("stacks of a set", stacks, limits.MaxStacks)
			}
		case fieldFurther:
			_, sum, err := addUp("thread groups of a stack", f.bytes, limits.MaxThreads)
			if further = sum; err == nil && stacks+further > limits.MaxStacks {
				return exceeded("stacks and thread groups of a set", stacks+further, limits.MaxStacks)
			}
			return err
		}
		return nil
	})
	return bytes + stackBytes*int64(stacks+further), frames, err
}

// addUp counts and sums a column of lengths, none of which may be above most.
func addUp(what string, column []byte, most int) (n, sum int, err error) {
	rest, _, err := packed("lengths", column, nil)
	if err != nil {
		return 0, 0, err
	}
	for ; len(rest) > 0; n++ {
		v := next(&rest)
		if v > uint64(most) {
			return 0, 0, &DecodeError{Reason: LimitExceeded, What: what, Actual: int64(min(v, maxQuantity)), Limit: int64(most)}
		}
		sum += int(v)
	}
	return n, sum, nil
}
