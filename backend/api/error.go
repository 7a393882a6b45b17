package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Error is the body of every answer that is no success.
type Error struct {
	Code    profile.Reason `json:"code"`
	Message string         `json:"message"`
	Limit   int64          `json:"limit,omitempty"`  // where one is exceeded
	Actual  int64          `json:"actual,omitempty"` // what exceeds it
	Hint    string         `json:"hint"`

	RetryAfter time.Duration `json:"-"` // when to try again; 0 for never
	Err        error         `json:"-"` // cause, for the log; never shown
}

// Errorf returns an error with the remedy of its code as hint.
func Errorf(code profile.Reason, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Hint: profile.Explain(code).Remedy}
}

// Exceeded returns an error about a limit.
func Exceeded(code profile.Reason, what string, actual, limit int64) *Error {
	e := Errorf(code, "%s is %d, the limit is %d", what, actual, limit)
	e.Actual, e.Limit = actual, limit
	return e
}

// Retry makes the error one that is worth another attempt after d.
func (e *Error) Retry(d time.Duration) *Error {
	e.RetryAfter = max(d, time.Second)
	return e
}

// Because adds the cause.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// Error implements error.
func (e *Error) Error() string {
	text := string(e.Code) + ": " + e.Message
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Status is the HTTP status that goes with the code.
func (e *Error) Status() int {
	switch e.Code {
	case profile.Malformed, profile.UnsupportedFormat, profile.BadParameter:
		return http.StatusBadRequest
	case profile.Unauthenticated, profile.TokenMalformed, profile.TokenExpired, profile.TokenAudience, profile.TokenRefused:
		return http.StatusUnauthorized
	case profile.Forbidden, profile.TokenUnbound, profile.NotOwnPod, profile.HostNotAllowed, profile.OriginNotAllowed, profile.ProxyNotTrusted:
		return http.StatusForbidden
	case profile.UnknownService, profile.NotFound:
		return http.StatusNotFound
	case profile.BodyTooLarge, profile.DecodedTooLarge:
		return http.StatusRequestEntityTooLarge
	case profile.LimitExceeded, profile.LedgerMismatch, profile.OutsideRetention, profile.InFuture, profile.IDTaken,
		profile.StoreRejected, profile.QueryTooExpensive, profile.SumTooLarge:
		return http.StatusUnprocessableEntity
	case profile.Overloaded, profile.SourceLimit, profile.StoreQueueFull, profile.TooManyRefusals:
		return http.StatusTooManyRequests
	case profile.StoreUnavailable, profile.BackendUnreached, profile.ReviewUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// AsError returns err as an Error. What is neither an Error nor a
// profile.DecodeError becomes Internal, with err as the cause that only the log
// sees.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if d, ok := errors.AsType[*profile.DecodeError](err); ok {
		e := Errorf(d.Reason, "%s", d.Error())
		e.Actual, e.Limit = d.Actual, d.Limit
		return e
	}
	return Errorf(profile.Internal, "the request could not be answered").Because(err)
}

// WriteError answers a request with an error. It returns the status.
func WriteError(w http.ResponseWriter, err error) int {
	e := AsError(err)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if e.Status() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	Write(w, e.Status(), e)
	return e.Status()
}
