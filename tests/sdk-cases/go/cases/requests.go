package cases

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"

	"polyreme.dev/sdk"
)

// at is a URL below the server of the input.
func at(c *Case, path string) (string, error) {
	var input struct {
		Server string `json:"server"`
	}
	err := read(c, &input)
	return input.Server + path, err
}

// send sends a request to the server of the input.
func send(ctx context.Context, c *Case, path string, request sdk.HTTPRequest) (*sdk.HTTPResponse, error) {
	url, err := at(c, path)
	if err != nil {
		return nil, err
	}
	request.URL = url
	return sdk.HTTP(ctx, request)
}

func httpGet(ctx context.Context, c *Case) (any, error) {
	response, err := send(ctx, c, "/colour", sdk.HTTPRequest{})
	if err != nil {
		return nil, err
	}
	return object{
		"status": response.Status, "colour": string(response.Body), "note": response.Header.Get("X-Note"),
	}, nil
}

func httpPost(ctx context.Context, c *Case) (any, error) {
	var all []byte
	for n := range 256 {
		all = append(all, byte(n))
	}
	response, err := send(ctx, c, "/echo", sdk.HTTPRequest{
		Method: "POST", Header: sdk.Header{"x-note": {"from the guest"}}, Body: all,
	})
	if err != nil {
		return nil, err
	}
	return object{
		"status": response.Status, "note": response.Header.Get("x-note"), "bytes": hex.EncodeToString(response.Body),
	}, nil
}

func httpJSON(ctx context.Context, c *Case) (any, error) {
	type note struct {
		Text string `json:"text"`
	}
	body, err := json.Marshal(note{"grüße, 世界 🚣"})
	if err != nil {
		return nil, err
	}
	response, err := send(ctx, c, "/echo", sdk.HTTPRequest{
		Method: "POST", Header: sdk.Header{"Content-Type": {"application/json"}}, Body: body,
	})
	if err != nil {
		return nil, err
	}
	if err := response.Success(); err != nil {
		return nil, err
	}
	var echoed note
	err = response.JSON(&echoed)
	return object{"type": response.Header.Get("Content-Type"), "text": echoed.Text}, err
}

func httpStatuses(ctx context.Context, c *Case) (any, error) {
	missing, err := send(ctx, c, "/missing", sdk.HTTPRequest{})
	if err != nil {
		return nil, err
	}
	away, err := send(ctx, c, "/away", sdk.HTTPRequest{})
	if err != nil {
		return nil, err
	}
	return object{"statuses": []int{missing.Status, away.Status}}, nil
}

// unanswered is a case whose request gets no response.
func unanswered(path string, request sdk.HTTPRequest) run {
	return tells(func(ctx context.Context, c *Case) any {
		_, err := send(ctx, c, path, request)
		return refusal(err)
	})
}

func httpLimitExceeded(ctx context.Context, c *Case) any {
	const tooMuch = 4 << 20 // more than limits.payload by default
	_, err := send(ctx, c, "/echo", sdk.HTTPRequest{Method: "POST", Body: bytes.Repeat([]byte("x"), tooMuch)})
	return refusal(err)
}

func httpConnect(ctx context.Context, _ *Case) any {
	_, err := sdk.HTTP(ctx, sdk.HTTPRequest{URL: "http://127.0.0.1:1/"})
	return refusal(err)
}
