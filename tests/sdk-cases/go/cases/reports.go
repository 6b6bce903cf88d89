package cases

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"polyreme.dev/sdk"
)

const (
	cleanup = "cases.polyreme.dev/cleanup"
	outside = "finalizer-outside"
)

func events(ctx context.Context, c *Case) any {
	sdk.Event(ctx, sdk.Normal, "Greeted", "hello, 世界")
	sdk.Event(ctx, sdk.Warning, "Worried", "something is off")
	other := configMaps.Ref(c.Namespace, "events-other")
	sdk.EventOn(ctx, other, sdk.Normal, "Touched", "from another object")
	return object{}
}

func logs(ctx context.Context, _ *Case) any {
	logger := sdk.Logger(ctx)
	lines := []struct {
		level      slog.Level
		name, line string
	}{
		{sdk.LevelTrace, "trace", "a trace line"},
		{slog.LevelDebug, "debug", "a debug line"},
		{slog.LevelInfo, "info", "an info line"},
		{slog.LevelWarn, "warn", "a warn line"},
		{slog.LevelError, "error", "an error line"},
	}
	enabled := object{}
	for number, line := range lines {
		logger.Log(ctx, line.level, line.line, "number", number, "text", "two words")
		enabled[line.name] = logger.Enabled(ctx, line.level)
	}
	logger.Info("first\nsecond")
	return object{"enabled": enabled}
}

func prints(context.Context, *Case) any {
	fmt.Println("printed by the guest")
	return object{"printed": true}
}

func metrics(ctx context.Context, _ *Case) any {
	sdk.Count(ctx, "case_things_total", 2, sdk.Labels{"colour": "red"})
	sdk.Count(ctx, "case_things_total", 3, sdk.Labels{"colour": "red"})
	sdk.Count(ctx, "case_things_total", 0.5, sdk.Labels{"colour": "blue"})
	sdk.Gauge(ctx, "case_level", 7, nil)
	sdk.Gauge(ctx, "case_level", -2.5, nil)
	sdk.Observe(ctx, "case_seconds", 0.25, sdk.Labels{"step": "one"})
	sdk.Observe(ctx, "case_seconds", 0.5, sdk.Labels{"step": "one"})
	return object{}
}

func clock(ctx context.Context, _ *Case) any {
	now := sdk.Now(ctx)
	start := sdk.Monotonic(ctx)
	elapsed := sdk.Monotonic(ctx) - start
	return object{
		"now":     strconv.FormatInt(now.UnixNano(), 10),
		"elapsed": strconv.FormatInt(elapsed.Nanoseconds(), 10),
	}
}

func random(ctx context.Context, _ *Case) any {
	bytes := func(count int) string { return hex.EncodeToString(sdk.RandomBytes(ctx, count)) }
	number := func() string { return strconv.FormatUint(sdk.RandomNumber(ctx), 10) }
	return object{
		"bytes":   []string{bytes(16), bytes(16), bytes(0)},
		"numbers": []string{number(), number()},
	}
}

func requeue(_ context.Context, c *Case) (outcome, error) {
	var before struct {
		Count int `json:"count"`
	}
	if len(c.Status.Output) > 0 {
		if err := json.Unmarshal(c.Status.Output, &before); err != nil {
			return outcome{}, err
		}
	}
	switch before.Count {
	case 3:
		return outcome{silent: true}, nil
	case 2:
		return outcome{output: object{"count": 3}}, nil
	}
	return outcome{output: object{"count": before.Count + 1}, again: 20 * time.Millisecond}, nil
}

func retry(ctx context.Context, _ *Case) (any, error) {
	asked := sdk.RequestOf(ctx)
	if asked.Attempt < 2 {
		return nil, fmt.Errorf("not yet: attempt %d, key %s", asked.Attempt, asked.IdempotencyKey)
	}
	return object{"attempt": asked.Attempt, "key": asked.IdempotencyKey}, nil
}

func terminal(_ context.Context, c *Case) (any, error) {
	var input struct {
		Fixed bool `json:"fixed"`
	}
	if len(c.Spec.Input) > 0 {
		if err := read(c, &input); err != nil {
			return nil, err
		}
	}
	if !input.Fixed {
		return nil, sdk.Terminal(errors.New("never again"))
	}
	return object{"fixed": true}, nil
}

func panics(ctx context.Context, _ *Case) any {
	attempt := sdk.RequestOf(ctx).Attempt
	if attempt == 0 {
		panic("the guest gave up")
	}
	return object{"attempt": attempt}
}

func finalizer(ctx context.Context, c *Case) (outcome, error) {
	phase, err := cases.Finalizer(ctx, c, cleanup)
	switch {
	case err != nil:
		return outcome{}, err
	case phase == sdk.Wanted:
		_, err := configMaps.Apply(ctx, plain(c, outside, map[string]string{"for": "finalizer"}))
		return outcome{output: object{"phase": "apply"}}, err
	case phase == sdk.Cleanup:
		if _, err := configMaps.DeleteNamed(ctx, outside); err != nil {
			return outcome{}, err
		}
		sdk.Logger(ctx).Info("cleaned up")
		return outcome{silent: true}, cases.Finalized(ctx, c, cleanup)
	}
	return outcome{silent: true}, nil
}
