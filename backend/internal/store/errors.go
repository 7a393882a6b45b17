package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Class says what a caller does about an error.
type Class int

// The classes.
const (
	// Unavailable: nothing was stored, or it is not known what; send the very
	// same window again later.
	Unavailable Class = iota
	// UnknownOutcome: the window may or may not be stored; send the very same
	// window again. Treated like Unavailable by callers that only retry.
	UnknownOutcome
	// Refused: ClickHouse will never take this; do not send it again.
	Refused
	// TooExpensive: the query needs more than a query may use; narrow it.
	TooExpensive
	// BadSelection: the caller asked for something that is not scoped or not
	// in order.
	BadSelection
	// Unscoped: the caller did not say which namespaces may be read.
	Unscoped
	// SumTooLarge: a sum does not fit 64 bits; narrow the query.
	SumTooLarge
	// Busy: ClickHouse takes windows, but fewer than come, so this one had no place
	// or no turn; nothing was done, send the very same window again later.
	Busy
	// IDTaken: the id of the window belongs to another one; do not send it again.
	IDTaken
	// Overloaded: other reads have the memory that this one needs; ask again later.
	Overloaded
)

// classes is the number of classes.
const classes = Overloaded + 1

// String names the class in logs and metrics.
func (c Class) String() string {
	switch c {
	case Unavailable:
		return "unavailable"
	case UnknownOutcome:
		return "unknown_outcome"
	case Refused:
		return "refused"
	case TooExpensive:
		return "too_expensive"
	case BadSelection:
		return "bad_selection"
	case Unscoped:
		return "unscoped"
	case SumTooLarge:
		return "sum_too_large"
	case Busy:
		return "busy"
	case IDTaken:
		return "id_taken"
	case Overloaded:
		return "overloaded"
	}
	return fmt.Sprintf("class%d", int(c))
}

// Error is the only error type that the store returns. Use errors.As, or the
// functions IsRetryable and ReasonOf.
type Error struct {
	Class      Class
	Op         string        // what was tried
	Code       int32         // of ClickHouse, or 0
	RetryAfter time.Duration // proposal, for retryable classes
	Hint       string        // what to do next, may be empty
	Exceeded   string        // limit of ours that ClickHouse enforced, in our words; may be empty
	Err        error
}

// Said is the cause for people: not in the words of ClickHouse where ours are known.
func (e *Error) Said() string {
	if e.Exceeded != "" {
		return e.Exceeded
	}
	return e.Err.Error()
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %v", e.Op, e.Err)
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable says that the very same call may succeed later.
func (e *Error) Retryable() bool {
	return e.Class == Unavailable || e.Class == UnknownOutcome || e.Class == Busy || e.Class == Overloaded
}

// Reason is the code that goes with the class.
func (e *Error) Reason() profile.Reason {
	switch e.Class {
	case Refused:
		return profile.StoreRejected
	case TooExpensive:
		return profile.QueryTooExpensive
	case BadSelection:
		return profile.BadParameter
	case Unscoped:
		return profile.Internal
	case SumTooLarge:
		return profile.SumTooLarge
	case Busy:
		return profile.StoreQueueFull
	case IDTaken:
		return profile.IDTaken
	case Overloaded:
		return profile.Overloaded
	}
	return profile.StoreUnavailable
}

// IsRetryable says whether err is an Error that is worth another attempt.
func IsRetryable(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Retryable()
}
