// Package mcp offers the answers of the API to assistants, by the Model Context
// Protocol: as tools whose texts are those of the program podflame, short enough
// to be held in mind, each with its coverage, what it leaves out and the link
// that shows it to a person. It only reads, and knows the backend by its API: an
// assistant sees what its user may see.
package mcp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
)

// MaxText bounds an answer, in bytes.
const MaxText = 16 << 10

// callTimeout bounds the work for one call of a tool: some questions to the API.
const callTimeout = time.Minute

// Connection is a way to the API for one call of a tool.
type Connection struct {
	client.API
	Link  string // server's part of links for people; empty if there are none that last
	Close func() // may be nil
}

// Config is what New needs.
type Config struct {
	Connect func(context.Context) (*Connection, error)
	Version string
	Now     func() time.Time
	Schemas *sdk.SchemaCache // of servers that are made anew for each request; may be nil
}

const instructions = "Podflame profiles Java services all the time. Begin with list_services. A function's self time is what it takes itself, " +
	"total is with what it calls. Every answer ends with its coverage: mention losses when you draw conclusions. " +
	"changes tells a regression from chance; diff does not. Give the user the link."

// New returns a server with all tools.
func New(c Config) *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "podflame", Title: "Podflame", Version: c.Version},
		&sdk.ServerOptions{Instructions: instructions, SchemaCache: c.Schemas})
	t := tools{c}
	add(s, t, "list_services", "Services with profiles: CPUs and allocation of each, as a share of all, targets by state, versions.", t.services)
	add(s, t, "top_functions", "The functions of a service that take most CPU time, allocation, lock delay, wall time, live heap or native memory.", t.top)
	add(s, t, "fleet_top_functions", "The functions that take most over all services together, each with its share of the whole and the service that it costs most in.", t.fleet)
	add(s, t, "call_tree", "The call tree of a service as text, from the threads down, the heaviest branches of it.", t.tree)
	add(s, t, "thread_groups", "The groups of threads of a service and what each takes; their names are those for threads and exclude_threads.", t.threadGroups)
	add(s, t, "diff", "Compare two versions, or now and before, function by function, per second of a target.", t.diff)
	add(s, t, "changes", "Which functions changed their share between the newest version of a service and the one before, told from chance.", t.changes)
	add(s, t, "regressions", "The verdicts on new versions of all services: worse, better, same or not enough data, with the functions that explain them.", t.regressions)
	add(s, t, "coverage", "What was recorded of a service, what was lost and why.", t.coverage)
	add(s, t, "list_targets", "The JVMs that sidecars see: which are profiled, and why others are not, with the remedy.", t.targets)
	return s
}

type tools struct{ Config }

// add adds a tool whose answer is a text.
func add[In any](s *sdk.Server, t tools, name, description string, tool func(context.Context, *Connection, In) (string, error)) {
	sdk.AddTool(s, &sdk.Tool{Name: name, Description: description, Annotations: &sdk.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true}},
		func(ctx context.Context, _ *sdk.CallToolRequest, in In) (*sdk.CallToolResult, any, error) {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			connection, err := t.Connect(ctx)
			if err != nil {
				return nil, nil, said(err)
			}
			if connection.Close != nil {
				defer connection.Close()
			}
			text, err := tool(ctx, connection, in)
			if err != nil {
				return nil, nil, said(err)
			}
			return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: Bound(text, MaxText)}}}, nil, nil
		})
}

// said is an error with its remedy, as the assistant reads it.
func said(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return fmt.Errorf("%s: %s. %s", e.Code, e.Message, e.Hint)
	}
	return err
}

// Bound cuts lines out of a text that is too long, before its coverage, and says
// so: an answer without its coverage would mislead.
func Bound(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	end := len(lines)
	for i, line := range lines {
		if strings.HasPrefix(line, "omitted: ") || strings.HasPrefix(line, "coverage") {
			end = i
			break
		}
	}
	tail := strings.Join(lines[end:], "")
	tail = cutAt(tail, limit/2)
	var b strings.Builder
	kept := 0
	for kept < end && b.Len()+len(lines[kept])+len(tail)+noteRoom <= limit {
		b.WriteString(lines[kept])
		kept++
	}
	fmt.Fprintf(&b, "omitted: %d more lines, as an answer has at most %d bytes: ask for less, or narrow it\n", end-kept, limit)
	return b.String() + tail
}

// noteRoom is for what Bound says itself.
const noteRoom = 128

// cutAt cuts a text at the last line that fits.
func cutAt(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return text[:strings.LastIndexByte(text[:limit], '\n')+1]
}
