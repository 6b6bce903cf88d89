package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"polyreme.dev/sdk/internal/wire"
)

// shownBytes is how much of an unexpected response an error repeats.
const shownBytes = 200

// Header is the headers of a request or a response. Its form is that of net/http's, which TinyGo without a
// network does not have; the names in a response are in lower case.
type Header map[string][]string

// Get is the first value of a header, in whatever case; "" when there is none.
func (h Header) Get(name string) string {
	for key, values := range h {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

func (h Header) pairs() []wire.Pair {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	var pairs []wire.Pair
	for _, name := range names {
		for _, value := range h[name] {
			pairs = append(pairs, wire.Pair{Key: name, Value: value})
		}
	}
	return pairs
}

// HTTPRequest is a request to a server outside of Kubernetes.
type HTTPRequest struct {
	// Method is GET when empty.
	Method string
	URL    string
	// Header is all but what concerns the connection, Host and Content-Length, which are the host's.
	Header Header
	// Body is sent when it is not nil.
	Body []byte
	// Timeout is how long to wait for the whole response: at most limits.httpTimeout of the configuration, which
	// is also the default.
	Timeout time.Duration
}

// HTTPResponse is what came back, whatever its status. Redirects are not followed.
type HTTPResponse struct {
	Status int
	Header Header
	Body   []byte
	// asked is method and URL, for messages.
	asked string
}

// HTTP sends a request to a server outside of Kubernetes and waits for the whole response. The configuration of
// the host grants servers and methods (`http` of the controller), else it is [ErrNotGranted].
//
// Whatever the status, a response is no error here: see [HTTPResponse.Success]. The host never sends a request
// twice, but a server may act on one whose time is over: give what must happen only once a key made of what does
// not change, such as the object's UID. ([Request.IdempotencyKey] changes with every generation.)
//
//	response, err := sdk.HTTP(ctx, sdk.HTTPRequest{
//		Method: "POST", URL: "https://cloud.example/v1/machines", Body: body,
//		Header: sdk.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {machine.UID}},
//	})
func HTTP(ctx context.Context, request HTTPRequest) (*HTTPResponse, error) {
	if request.Method == "" {
		request.Method = "GET"
	}
	sent := wire.HTTPRequest{
		Method: request.Method, URL: request.URL, Headers: request.Header.pairs(),
		Body: request.Body, HasBody: request.Body != nil,
	}
	if request.Timeout > 0 {
		sent.HasTimeout, sent.TimeoutMS = true, uint64(request.Timeout.Milliseconds())
	}
	// A query may hold secrets.
	place, _, _ := strings.Cut(request.URL, "?")
	answer, refused := of(ctx).host.Send(sent)
	if refused != nil {
		return nil, httpError(request.Method, place, refused)
	}
	header := Header{}
	for _, pair := range answer.Headers {
		header[pair.Key] = append(header[pair.Key], pair.Value)
	}
	return &HTTPResponse{
		Status: int(answer.Status), Header: header, Body: answer.Body, asked: request.Method + " " + place,
	}, nil
}

// Success is an error unless the status is 2xx.
func (r *HTTPResponse) Success() error {
	if r.Status >= 200 && r.Status < 300 {
		return nil
	}
	body := r.Body
	if len(body) > shownBytes {
		body = body[:shownBytes]
	}
	return fmt.Errorf("%s answered %d: %s", r.asked, r.Status, strings.ToValidUTF8(string(body), "\ufffd"))
}

// JSON reads the body.
func (r *HTTPResponse) JSON(into any) error {
	if err := json.Unmarshal(r.Body, into); err != nil {
		return placed("failed to read the response to "+r.asked, err)
	}
	return nil
}
