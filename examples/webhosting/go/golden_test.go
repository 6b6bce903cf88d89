package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// golden is the folder that this controller and the one in Rust are both held to.
const golden = "../golden"

type goldenCase struct {
	Name     string          `json:"name"`
	Website  Website         `json:"website"`
	Theme    ThemeSpec       `json:"theme"`
	Settings json.RawMessage `json:"settings"`
}

// TestGolden: `UPDATE_GOLDEN=1 go test ./...` writes the files anew; the tests of ../rust must then still pass.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(golden, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []goldenCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, one := range cases {
		t.Run(one.Name, func(t *testing.T) { compare(t, one.Name+".json", canonical(t, one.output(t))) })
	}
}

// output is everything that the controller would write for a site.
func (c goldenCase) output(t *testing.T) map[string]any {
	settings := defaultSettings()
	if err := json.Unmarshal(c.Settings, &settings); err != nil {
		t.Fatal(err)
	}
	children := childrenOf(&c.Website, c.Theme, settings)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	statuses := map[string]any{}
	for _, phase := range []Phase{Pending, Ready, Failed, Terminating} {
		statuses[string(phase)] = nextStatus(&c.Website, phase, "as it is", now)
	}
	return map[string]any{
		"configMap":  json.RawMessage(configMaps.Of(&children.ConfigMap).JSON),
		"service":    json.RawMessage(services.Of(&children.Service).JSON),
		"ingress":    json.RawMessage(ingresses.Of(&children.Ingress).JSON),
		"deployment": json.RawMessage(deployments.Of(&children.Deployment).JSON),
		"status":     statuses,
	}
}

// canonical is JSON with sorted keys, two spaces a level, and no escapes that need not be.
func canonical(t *testing.T, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(tree); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func compare(t *testing.T, name string, got []byte) {
	path := filepath.Join(golden, name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (UPDATE_GOLDEN=1 writes it anew); this is what came out:\n%s", path, got)
	}
}

func TestTheSettingsSchemaIsThatOfTheControllerInRust(t *testing.T) {
	theirs, err := os.ReadFile("../rust/src/settings.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if settingsSchema != string(theirs) {
		t.Error("settings.schema.json differs from ../rust/src/settings.schema.json: copy the newer one")
	}
}
