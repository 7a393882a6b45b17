package main

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/podflame/podflame/backend/internal/mcp"
)

type mcpCmd struct{}

// Help is shown under the flags.
func (mcpCmd) Help() string {
	return "Name it in the configuration of the assistant: command podflame, arguments mcp and where the backend is. " +
		"It reads only. The backend serves the same at /api/v1/mcp by streamable HTTP."
}

// Run serves until the assistant leaves. The backend is reached anew for each
// call, so a port that was forwarded lasts no longer than that.
func (mcpCmd) Run(ctx context.Context, a *app) error {
	server := mcp.New(mcp.Config{
		Connect: func(ctx context.Context) (*mcp.Connection, error) {
			b, err := a.connect(ctx)
			if err != nil {
				_, hint := classify(err)
				return nil, fmt.Errorf("%w. %s", err, hint)
			}
			return &mcp.Connection{API: b, Link: b.link(), Close: b.close}, nil
		},
		Version: version, Now: a.now,
	})
	if err := server.Run(ctx, &sdk.StdioTransport{}); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("serve the assistant: %w", err)
	}
	return nil
}
