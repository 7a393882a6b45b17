package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// kind is what an operation does, which decides what an error means.
type kind int

const (
	reading kind = iota
	writing
)

// rule says what an exception of ClickHouse means.
type rule struct {
	class Class
	retry time.Duration
	hint  string
}

const (
	soon  = 2 * time.Second
	later = 10 * time.Second
	long  = time.Minute

	narrow = "narrow the time range, or choose one target"
)

// writeRules holds the exceptions that need more than a retry soon. Whatever is
// the fault of the set-up and not of the window is retryable: the window waits
// in the sidecar until somebody has repaired it.
func writeRules() map[int32]rule {
	refused := rule{class: Refused}
	overload := rule{Unavailable, later, "ClickHouse cannot merge as fast as is written"}
	readOnly := rule{Unavailable, long, "the table is read-only in ClickHouse"}
	away := rule{Unavailable, later, "a server of the cluster of ClickHouse cannot be reached"}
	access := rule{Unavailable, long, "check the user, the password and the rights in --clickhouse"}
	return map[int32]rule{
		6: refused, 27: refused, 53: refused, 69: refused, 70: refused, 128: refused, 131: refused, 321: refused,
		252: overload,
		243: {Unavailable, long, "the disk of ClickHouse is full"},
		242: readOnly, 774: readOnly,
		queryMemory: {Unavailable, later, "ClickHouse has no memory to spare"},
		201:         {Unavailable, long, "the quota of the ClickHouse user is used up"},
		516:         access, 497: access, 164: access, 193: access,
		60: {Unavailable, soon, "the tables are being made"}, 81: {Unavailable, soon, "the database is being made"},
		319: {UnknownOutcome, soon, ""},
		279: away, 210: away, 209: away, 198: away,
	}
}

// readRules likewise, for queries.
func readRules() map[int32]rule {
	expensive := rule{class: TooExpensive, hint: narrow}
	rules := writeRules()
	for _, code := range []int32{158, 159, 160, 191, queryMemory, 307, 396} {
		rules[code] = expensive
	}
	for _, code := range []int32{6, 27, 53, 69, 70, 128, 131, 321} {
		delete(rules, code)
	}
	return rules
}

// classify turns any error of an operation into an *Error; nil stays nil.
func classify(op string, k kind, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if exception, ok := errors.AsType[*clickhouse.Exception](err); ok {
		return classifyException(op, k, exception, err)
	}
	e := &Error{Class: Unavailable, Op: op, RetryAfter: soon, Err: err}
	switch {
	case isOurs(err):
		e.Class, e.RetryAfter = Refused, 0
	case errors.Is(err, errQueue):
		e.Class = Busy
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, clickhouse.ErrAcquireConnTimeout),
		errors.Is(err, errNoConnection), errors.Is(err, errQueued):
		// Nothing was sent.
	case k == writing:
		e.Class = UnknownOutcome
	}
	if errors.Is(err, context.DeadlineExceeded) {
		e.RetryAfter = later
	}
	return e
}

func classifyException(op string, k kind, exception *clickhouse.Exception, err error) *Error {
	e := &Error{Class: Unavailable, Op: op, Code: exception.Code, RetryAfter: soon, Err: err}
	rules := readRules()
	if k == writing {
		rules = writeRules()
	}
	if r, ok := rules[exception.Code]; ok {
		e.Class, e.RetryAfter, e.Hint = r.class, r.retry, r.hint
	}
	switch {
	case exception.Code == queryMemory && strings.Contains(exception.Message, "(total)"):
		*e = Error{Class: Unavailable, Op: op, Code: queryMemory, RetryAfter: later, Hint: "ClickHouse has no memory to spare", Err: err}
	case isReadOnlyDisk(e):
		e.RetryAfter, e.Hint = long, "the disk of ClickHouse is read-only: look for an error of the device in the log of its node"
	// Not "partitions" alone: "Too many parts … in all partitions in total" passes.
	case exception.Code == 252 && strings.Contains(exception.Message, "Too many partitions"):
		*e = Error{Class: Refused, Op: op, Code: 252, Err: err}
	}
	return e
}

// aboutServer are the exceptions that every insert meets at the time, whatever is
// in it.
func aboutServer() []int32 {
	return []int32{60, 81, 159, 164, 193, 198, 201, 202, 209, 210, 225, 236, 242, 243, 252, 279, 285, 319, 394, 497, 516, 774, 999}
}

// knownCodes are the exceptions that are counted by their code.
func knownCodes() []int32 {
	codes := slices.Concat(aboutServer(), slices.Collect(maps.Keys(writeRules())), slices.Collect(maps.Keys(readRules())))
	slices.Sort(codes)
	return slices.Compact(codes)
}

// queryMemory is the exception that a query needs more memory than it may use, or
// all queries together do.
const queryMemory = 241

// isTotal reports whether all queries together need too much memory.
func isTotal(e *Error) bool { return strings.Contains(e.Err.Error(), "(total)") }

// isReadOnlyDisk reports whether the file system refuses writes: ClickHouse has no
// code of its own for that.
func isReadOnlyDisk(e *Error) bool {
	return strings.Contains(e.Err.Error(), "Read-only file system")
}

// isOurs says whether the client itself refused the rows.
func isOurs(err error) bool {
	if errors.Is(err, clickhouse.ErrBatchInvalid) {
		return true
	}
	if _, ok := errors.AsType[*proto.BlockError](err); ok {
		return true
	}
	_, ok := errors.AsType[*clickhouse.OpError](err)
	return ok
}
