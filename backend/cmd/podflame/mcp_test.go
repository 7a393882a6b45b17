package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/podflame/podflame/backend/internal/auth"
)

// The program serves the client of the SDK on standard input and output, and
// ends when that leaves.
func TestMCPOnStandardInputAndOutput(t *testing.T) {
	url, _ := startBackend(t, &auth.People{Mode: auth.None})
	upload(t, url, roll(time.Now().UTC().Truncate(time.Minute)))
	child := exec.Command("podflame", "mcp", "--server="+url, "--timeout=5m")
	child.Stderr = os.Stderr
	s, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &sdk.CommandTransport{Command: child}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if said := s.InitializeResult(); said.ServerInfo.Name != "podflame" || !strings.Contains(said.Instructions, "list_services") {
		t.Errorf("the server introduces itself as %+v", said)
	}
	r, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "changes", Arguments: map[string]any{"service": "shop", "since": "1h"}})
	if err != nil {
		t.Fatal(err)
	}
	text := r.Content[0].(*sdk.TextContent).Text
	for _, want := range []string{"shop.Price.round", "coverage of base: 40 of 40", "link: " + url + "/changes?"} {
		if r.IsError || !strings.Contains(text, want) {
			t.Errorf("the answer lacks %q:\n%s", want, text)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("the program ends with %v", err)
	}
}
