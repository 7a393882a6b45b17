package main

import (
	"fmt"
	"net"
	"time"

	"github.com/podflame/podflame/backend/internal/ingest"
	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/store"
)

// serveCmd runs the backend. Its flags are grouped by what they govern.
type serveCmd struct {
	Listen     listenFlags     `embed:"" group:"Addresses"`
	ClickHouse clickhouseFlags `embed:"" group:"ClickHouse"`
	Ingest     ingestFlags     `embed:"" group:"Ingest"`
	Query      queryFlags      `embed:"" group:"Queries"`
}

type listenFlags struct {
	Listen       string        `default:"127.0.0.1:8080" env:"PODFLAME_LISTEN" help:"Address of API, user interface, /metrics, /livez and /readyz."`
	ListenTLS    string        `name:"listen-tls" env:"PODFLAME_LISTEN_TLS" help:"Second address for the same by TLS, such as :8443; needs --cert-dir. Empty: --listen itself speaks TLS if there is a --cert-dir."`
	CertDir      string        `env:"PODFLAME_CERT_DIR" help:"Directory of tls.crt and tls.key, read again when they change. Empty: no TLS."`
	TokenFile    string        `env:"PODFLAME_TOKEN_FILE" help:"File with the bearer token that sidecars must show to write. Empty: everybody who reaches the port may write."`
	DrainTimeout time.Duration `default:"20s" env:"PODFLAME_DRAIN_TIMEOUT" help:"How long requests in progress may take at the end."`
}

type clickhouseFlags struct {
	ClickHouse    string        `name:"clickhouse" env:"PODFLAME_CLICKHOUSE" help:"DSN of a ClickHouse server: clickhouse://user:password@host:9000/database. Empty: run one inside, with its data in --data-dir."`
	Library       string        `name:"clickhouse-library" env:"PODFLAME_CLICKHOUSE_LIBRARY" help:"Path of libchdb.so for the ClickHouse inside. Empty: look in the usual places."`
	DataDir       string        `default:"~/.local/share/podflame" type:"path" env:"PODFLAME_DATA_DIR" help:"Where the ClickHouse inside keeps its data."`
	Memory        byteSize      `name:"clickhouse-memory" default:"700MB" env:"PODFLAME_CLICKHOUSE_MEMORY" help:"Memory that the ClickHouse inside may use; its process needs about 1.5 times that."`
	RetentionDays int           `default:"7" env:"PODFLAME_RETENTION_DAYS" help:"Days that data is kept, 1 to 7."`
	InsertTimeout time.Duration `default:"8s" env:"PODFLAME_INSERT_TIMEOUT" help:"Time to store one window."`
	Connections   int           `default:"16" env:"PODFLAME_CLICKHOUSE_CONNECTIONS" help:"Connections to ClickHouse."`
	CacheBytes    byteSize      `default:"128MiB" env:"PODFLAME_CACHE_BYTES" help:"Memory for stacks and names that were read before."`
}

type ingestFlags struct {
	MaxBody     byteSize      `default:"8MiB" env:"PODFLAME_MAX_BODY" help:"Largest upload."`
	MaxDecoded  byteSize      `default:"64MiB" env:"PODFLAME_MAX_DECODED" help:"Largest upload after decompression."`
	MaxStacks   int           `default:"50000" env:"PODFLAME_MAX_STACKS" help:"Most stacks of one type in a window."`
	MaxInFlight byteSize      `default:"256MiB" env:"PODFLAME_MAX_IN_FLIGHT" help:"Most bytes of uploads that are received or stored at a time; more are turned away for a while."`
	MaxDecoding int           `default:"8" env:"PODFLAME_MAX_DECODING" help:"Most windows that are decoded or stored at a time; more wait."`
	BodyTimeout time.Duration `default:"10s" env:"PODFLAME_BODY_TIMEOUT" help:"Time to receive one upload."`
	MaxAhead    time.Duration `default:"10m" env:"PODFLAME_MAX_AHEAD" help:"How far a sidecar's clock may be ahead of ours."`
}

type queryFlags struct {
	Timeout     time.Duration `name:"query-timeout" default:"10s" env:"PODFLAME_QUERY_TIMEOUT" help:"Time for one query."`
	Memory      byteSize      `name:"query-memory" default:"250MB" env:"PODFLAME_QUERY_MEMORY" help:"Memory in ClickHouse for one query."`
	Rows        int64         `name:"query-rows" default:"200000000" env:"PODFLAME_QUERY_ROWS" help:"Rows that one query may read."`
	Stacks      int           `name:"query-stacks" default:"200000" env:"PODFLAME_QUERY_STACKS" help:"Distinct stacks in one answer; lighter ones are summed up as omitted."`
	MaxNodes    int           `name:"max-nodes" default:"262144" env:"PODFLAME_MAX_NODES" help:"Most nodes of a flame graph that may be asked for."`
	Concurrency int           `name:"query-concurrency" default:"8" env:"PODFLAME_QUERY_CONCURRENCY" help:"Queries answered at a time; more wait for a moment."`
}

// Validate is called by kong after parsing.
func (c *serveCmd) Validate() error {
	if d := c.ClickHouse.RetentionDays; d < 1 || d > 7 {
		return fmt.Errorf("--retention-days=%d is not 1 to 7", d)
	}
	if c.Listen.ListenTLS != "" && c.Listen.CertDir == "" {
		return fmt.Errorf("--listen-tls=%s needs --cert-dir with tls.crt and tls.key", c.Listen.ListenTLS)
	}
	if c.Ingest.MaxBody > c.Ingest.MaxInFlight {
		return fmt.Errorf("--max-body=%d is above --max-in-flight=%d, so the largest uploads could never be taken", c.Ingest.MaxBody, c.Ingest.MaxInFlight)
	}
	for flag, n := range map[string]int{
		"max-stacks": c.Ingest.MaxStacks, "max-decoding": c.Ingest.MaxDecoding, "query-concurrency": c.Query.Concurrency,
		"query-stacks": c.Query.Stacks, "max-nodes": c.Query.MaxNodes, "clickhouse-connections": c.ClickHouse.Connections,
	} {
		if n < 1 {
			return fmt.Errorf("--%s=%d is below 1", flag, n)
		}
	}
	return nil
}

func (c *serveCmd) retention() time.Duration {
	return time.Duration(c.ClickHouse.RetentionDays) * 24 * time.Hour
}

func (c *serveCmd) storeLimits() store.Limits {
	l := store.DefaultLimits()
	l.InsertTimeout, l.Connections, l.CacheBytes = c.ClickHouse.InsertTimeout, c.ClickHouse.Connections, int64(c.ClickHouse.CacheBytes)
	l.QueryTimeout, l.QueryMemory, l.QueryRows, l.Stacks = c.Query.Timeout, int64(c.Query.Memory), c.Query.Rows, c.Query.Stacks
	return l
}

func (c *serveCmd) ingestLimits() ingest.Limits {
	l := ingest.DefaultLimits()
	l.BytesInFlight, l.Decoding, l.BodyTimeout = int64(c.Ingest.MaxInFlight), c.Ingest.MaxDecoding, c.Ingest.BodyTimeout
	l.Retention, l.Ahead = c.retention(), c.Ingest.MaxAhead
	l.Decode.MaxEncoded, l.Decode.MaxDecoded, l.Decode.MaxStacks = int(c.Ingest.MaxBody), int(c.Ingest.MaxDecoded), c.Ingest.MaxStacks
	return l
}

func (c *serveCmd) queryLimits() query.Limits {
	l := query.DefaultLimits()
	l.Retention, l.Concurrency = c.retention(), c.Query.Concurrency
	l.MaxNodes, l.Nodes = c.Query.MaxNodes, min(l.Nodes, c.Query.MaxNodes)
	l.Timeout = c.Query.Timeout + 2*time.Second // the store knows better what took so long
	return l
}

// onlyLocal says whether an address can be reached from this host only.
func onlyLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
