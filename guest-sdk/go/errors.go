package sdk

import (
	"errors"
	"strings"
	"time"

	"polyreme.dev/sdk/internal/wire"
)

// Reason is why a request was not carried out. It is an error itself, to be asked for with [errors.Is]:
//
//	if errors.Is(err, sdk.ErrNotFound) { … }
//
// The first group is the API server's answer, the second the host's own refusal, the third the network's.
type Reason uint8

// The reasons, in the contract's order of those for Kubernetes.
const (
	// ErrNotFound: there is no such object, or the server does not know the kind.
	ErrNotFound Reason = iota
	// ErrAlreadyExists: the name is taken.
	ErrAlreadyExists
	// ErrConflict: the object changed since it was read, or another manager owns a field of it.
	ErrConflict
	// ErrInvalid: the object breaks its schema or a validation rule; see [Error.Causes].
	ErrInvalid
	// ErrForbidden: RBAC or an admission plugin refused.
	ErrForbidden
	// ErrTooManyRequests: the server asks for patience; see [Error.RetryAfter].
	ErrTooManyRequests
	// ErrGone: the page of a list is too old.
	ErrGone
	// ErrNotGranted: the host's configuration does not grant this; the message names the grant to add.
	ErrNotGranted
	// ErrNotOwner: this host no longer owns the object under reconcile. Return without another write.
	ErrNotOwner
	// ErrLimitExceeded: a payload, rate or time limit of this module was reached.
	ErrLimitExceeded
	// ErrBadRequest: malformed input from the module.
	ErrBadRequest
	// ErrTimeout: no answer in time. A write may still have been carried out.
	ErrTimeout
	// ErrUnavailable: the API server cannot be reached or is starting.
	ErrUnavailable
	// ErrOther: none of these; the message tells.
	ErrOther

	// What follows is of [HTTP] only. Of the first three nothing was sent; of the others something may have been
	// carried out.

	// ErrDNS: the host name leads nowhere.
	ErrDNS
	// ErrConnect: no connection to any address of the server.
	ErrConnect
	// ErrTLS: no trust in the server, or it speaks no TLS.
	ErrTLS
	// ErrTooLarge: the response is larger than limits.payload.
	ErrTooLarge
	// ErrBroken: the connection ended before the response was complete.
	ErrBroken
)

var reasonTexts = [...]string{
	"not found", "already exists", "conflict", "invalid", "forbidden", "too many requests", "gone",
	"not granted", "not the owner any more", "limit exceeded", "bad request", "timed out", "unavailable",
	"failed", "no such host", "no connection", "no TLS", "too large", "broken",
}

// httpReasons are the reasons of http, in the contract's order.
var httpReasons = [...]Reason{
	ErrNotGranted, ErrNotOwner, ErrBadRequest, ErrLimitExceeded, ErrDNS, ErrConnect, ErrTLS, ErrUnavailable,
	ErrTimeout, ErrTooLarge, ErrBroken, ErrOther,
}

func (r Reason) Error() string {
	if int(r) < len(reasonTexts) {
		return reasonTexts[r]
	}
	return reasonTexts[ErrOther]
}

// Error is the answer to a request that was not carried out. Find it with [errors.As], its reason with
// [errors.Is].
type Error struct {
	// Verb is get, list, apply, …; of a request to an outside server its method.
	Verb string
	// Object is kind, namespace and name; of a request to an outside server its URL without the query.
	Object string
	// Reason is what code can match on.
	Reason Reason
	// Message is the server's or the host's own words.
	Message string
	// RetryAfter is how long the server asked to wait; 0 when it did not.
	RetryAfter time.Duration
	// Causes are field paths and messages of an invalid object.
	Causes []string
}

func (e *Error) Error() string {
	text := "failed to " + e.Verb + " " + e.Object + ": "
	reason := e.Reason.Error()
	switch {
	case e.Message == "":
		text += reason
	case strings.Contains(e.Message, reason):
		text += e.Message // a server's message usually has the reason in it
	default:
		text += reason + ": " + e.Message
	}
	for _, cause := range e.Causes {
		if !strings.Contains(e.Message, cause) {
			text += "; " + cause
		}
	}
	return text
}

// Unwrap is the reason.
func (e *Error) Unwrap() error { return e.Reason }

func httpError(method, url string, cause *wire.HTTPError) error {
	reason := ErrOther
	if int(cause.Reason) < len(httpReasons) {
		reason = httpReasons[cause.Reason]
	}
	return &Error{Verb: method, Object: url, Reason: reason, Message: cause.Message}
}

func requestError(verb, object string, cause *wire.Error) error {
	if cause == nil {
		return nil
	}
	err := &Error{
		Verb: verb, Object: object, Reason: Reason(cause.Reason), Message: cause.Message, Causes: cause.Causes,
	}
	if cause.HasRetry {
		err.RetryAfter = time.Duration(cause.RetryAfterMS) * time.Millisecond
	}
	return err
}

// ErrTerminal is in every error that the host does not retry before the object changes.
var ErrTerminal = errors.New("terminal")

type terminalError struct{ cause error }

func (e terminalError) Error() string        { return e.cause.Error() }
func (e terminalError) Unwrap() error        { return e.cause }
func (e terminalError) Is(target error) bool { return target == ErrTerminal }

// Terminal marks an error as one that trying again cannot help: the host waits until the object changes.
// It is nil when err is.
//
//	return sdk.Result{}, sdk.Terminal(fmt.Errorf("spec.port %q is no number", port))
func Terminal(err error) error {
	if err == nil {
		return nil
	}
	return terminalError{err}
}

// IsTerminal tells whether the host waits for a change instead of trying again: besides [Terminal], what
// only a change of the object, of the settings or of the program can mend. A missing grant is terminal too,
// since every object is reconciled again when the configuration changes.
func IsTerminal(err error) bool {
	return errors.Is(err, ErrTerminal) || errors.Is(err, ErrNotGranted) || errors.Is(err, ErrBadRequest)
}
