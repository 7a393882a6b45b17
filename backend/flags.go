package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/podflame/podflame/backend/internal/ingest"
	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/regressions"
	"github.com/podflame/podflame/backend/internal/store"
)

// serveCmd runs the backend. Its flags are grouped by what they govern.
type serveCmd struct {
	Doors      doorFlags       `embed:"" group:"Doors"`
	Access     accessFlags     `embed:"" group:"Access"`
	ClickHouse clickhouseFlags `embed:"" group:"ClickHouse"`
	Ingest     ingestFlags     `embed:"" group:"Ingest"`
	Query      queryFlags      `embed:"" group:"Queries"`

	Memory byteSize `name:"memory" default:"424MiB" env:"PODFLAME_MEMORY" help:"Memory that this process tries to stay below, without that of the ClickHouse inside; GOMEMLIMIT, if it is set, counts instead."`
}

type doorFlags struct {
	Listen             string        `default:"127.0.0.1:8080" env:"PODFLAME_LISTEN" help:"Door of people: user interface and API. On loopback it speaks HTTP and serves all that has no door of its own; anywhere else it speaks TLS."`
	ListenSidecars     string        `env:"PODFLAME_LISTEN_SIDECARS" help:"Door of sidecars, such as :8443, which write only. Speaks TLS, unless it is on loopback and there is no --cert-dir."`
	ListenOperations   string        `env:"PODFLAME_LISTEN_OPERATIONS" help:"Door of /livez, /readyz and /metrics, such as :8081. Speaks HTTP."`
	CertDir            string        `env:"PODFLAME_CERT_DIR" help:"Directory of tls.crt and tls.key, read again when they change."`
	CertPoll           time.Duration `default:"10s" env:"PODFLAME_CERT_POLL" help:"Time between two looks at those files."`
	DrainTimeout       time.Duration `default:"20s" env:"PODFLAME_DRAIN_TIMEOUT" help:"How long requests in progress may take at the end."`
	PeopleConnections  int           `default:"1024" env:"PODFLAME_PEOPLE_CONNECTIONS" help:"Connections of people at a time; more wait."`
	SidecarConnections int           `default:"16384" env:"PODFLAME_SIDECAR_CONNECTIONS" help:"Connections of sidecars at a time; more wait."`
	PeoplePerAddress   int           `name:"people-connections-per-address" default:"768" env:"PODFLAME_PEOPLE_CONNECTIONS_PER_ADDRESS" help:"Connections of people from one address, which may be that of a proxy; more are closed at once."`
	SidecarPerAddress  int           `name:"sidecar-connections-per-address" default:"1024" env:"PODFLAME_SIDECAR_CONNECTIONS_PER_ADDRESS" help:"Connections of sidecars from one address, which is that of a node where the network translates addresses; more are closed at once."`
	Streams            int           `name:"streams-per-connection" default:"32" env:"PODFLAME_STREAMS_PER_CONNECTION" help:"Requests at a time on one connection of HTTP/2; more wait at the other end."`
}

type accessFlags struct {
	WriteAuth   string   `default:"none" enum:"none,kubernetes" env:"PODFLAME_WRITE_AUTH" help:"How sidecars show who they are: none (on loopback only), or kubernetes: by the token of their pod, and they write as that pod only."`
	Cluster     string   `default:"default" env:"PODFLAME_CLUSTER" help:"Name of the cluster that this backend serves; with --write-auth=kubernetes it is entered in all that comes."`
	WriteFor    string   `name:"write-audience" default:"podflame-backend" env:"PODFLAME_WRITE_AUDIENCE" help:"Audience of the tokens of sidecars."`
	Auth        string   `default:"none" enum:"none,token,kubernetes" env:"PODFLAME_AUTH" help:"How people show who they are: none (on loopback only), token: by the one in --read-token-file, or kubernetes: by a token of the cluster or a proxy's login; they see the namespaces in which they may get profiles.profiling.io."`
	ReadFor     string   `name:"read-audience" default:"podflame" env:"PODFLAME_READ_AUDIENCE" help:"Audience of the tokens of people: kubectl create token NAME --audience podflame."`
	ReadToken   string   `name:"read-token-file" env:"PODFLAME_READ_TOKEN_FILE" help:"File with the token of --auth=token."`
	Everybody   bool     `name:"let-everybody-read" env:"PODFLAME_LET_EVERYBODY_READ" help:"Allow --auth=none on a door that is not on loopback: whoever reaches it sees every profile."`
	Hosts       []string `env:"PODFLAME_HOSTS" help:"Names under which browsers reach the door of people, besides localhost and addresses."`
	Proxies     []string `env:"PODFLAME_PROXIES" help:"Addresses (10.1.2.3/32) of the proxy whose logins are believed: the headers X-Forwarded-User and X-Forwarded-Groups, with the secret in X-Podflame-Proxy-Secret."`
	ProxySecret string   `name:"proxy-secret-file" env:"PODFLAME_PROXY_SECRET_FILE" help:"File with that secret."`
	UserPrefix  string   `name:"proxy-user-prefix" env:"PODFLAME_PROXY_USER_PREFIX" help:"Put before the name of a user that the proxy forwards, as --oidc-username-prefix of the API server."`
	GroupPrefix string   `name:"proxy-group-prefix" env:"PODFLAME_PROXY_GROUP_PREFIX" help:"Put before the name of a group that the proxy forwards, as --oidc-groups-prefix of the API server."`

	API            string        `name:"kubernetes-api" env:"PODFLAME_KUBERNETES_API" help:"URL of the Kubernetes API server. Empty: that of the pod's cluster."`
	APICA          string        `name:"kubernetes-ca-file" env:"PODFLAME_KUBERNETES_CA_FILE" help:"Certificates that sign the API server, with --kubernetes-api."`
	APIToken       string        `name:"kubernetes-token-file" env:"PODFLAME_KUBERNETES_TOKEN_FILE" help:"Token for the API server, with --kubernetes-api; read again when it changes."`
	ReviewTimeout  time.Duration `default:"5s" env:"PODFLAME_REVIEW_TIMEOUT" help:"Time for one question to the API server."`
	Reviews        int           `default:"32" env:"PODFLAME_REVIEWS" help:"Questions to the API server at a time; more wait."`
	SourceReviews  int           `default:"8" env:"PODFLAME_SOURCE_REVIEWS" help:"Of them, about tokens from one address."`
	Refusals       int           `default:"20" env:"PODFLAME_REFUSALS" help:"Tokens from one address that the API server may refuse in a row; then it is asked about one each 5s, at the door of people five a second."`
	RememberToken  time.Duration `default:"5m" env:"PODFLAME_REMEMBER_TOKEN" help:"How long the API server's word on a good token is remembered, at most 5m: so long a deleted pod may still write."`
	RememberAccess time.Duration `default:"30s" env:"PODFLAME_REMEMBER_ACCESS" help:"How long it is remembered what a reader may see."`
	Remembered     int           `default:"20000" env:"PODFLAME_REMEMBERED" help:"Answers of each kind that are remembered."`
}

type clickhouseFlags struct {
	ClickHouse     string        `name:"clickhouse" env:"PODFLAME_CLICKHOUSE" help:"DSN of a ClickHouse server: clickhouse://user:password@host:9000/database. Empty: run one inside, with its data in --data-dir."`
	Cluster        string        `name:"clickhouse-cluster" env:"PODFLAME_CLICKHOUSE_CLUSTER" help:"Name that --clickhouse has for a cluster of servers: tables are made on all of them, replicated by their Keeper, and shared out among its shards. Empty: that server has all."`
	Library        string        `name:"clickhouse-library" env:"PODFLAME_CLICKHOUSE_LIBRARY" help:"Path of libchdb.so for the ClickHouse inside. Empty: look in the usual places."`
	DataDir        string        `default:"~/.local/share/podflame" type:"path" env:"PODFLAME_DATA_DIR" help:"Where the ClickHouse inside keeps its data."`
	Memory         byteSize      `name:"clickhouse-memory" default:"700MB" env:"PODFLAME_CLICKHOUSE_MEMORY" help:"Memory that the ClickHouse inside may use; its process needs about 1.5 times that."`
	RetentionDays  int           `default:"7" env:"PODFLAME_RETENTION_DAYS" help:"Days that data is kept, 1 to 7."`
	RetentionBytes byteSize      `env:"PODFLAME_RETENTION_BYTES" help:"Bytes on disk above which the samples of the oldest day are given up. Default: no limit."`
	LowDisk        byteSize      `default:"2GB" env:"PODFLAME_LOW_DISK" help:"Bytes free on the disk of ClickHouse below which the samples of the oldest day are given up. Windows are taken while 1GB is free."`
	InsertTimeout  time.Duration `default:"6s" env:"PODFLAME_INSERT_TIMEOUT" help:"Time to store a group of windows. An upload is answered at the latest 3s later than that after it was received."`
	Migration      time.Duration `name:"migration-timeout" default:"1m" env:"PODFLAME_MIGRATION_TIMEOUT" help:"Time to create or update the tables at the start; it is tried again after that."`
	CommitDelay    time.Duration `default:"800ms" env:"PODFLAME_COMMIT_DELAY" help:"Time from one group of windows to the next, which are written together."`
	CommitRows     int           `default:"100000" env:"PODFLAME_COMMIT_ROWS" help:"Samples with which a group is written at once, and of one block."`
	CommitBytes    byteSize      `default:"32MiB" env:"PODFLAME_COMMIT_BYTES" help:"Bytes of new stacks with which a group is written at once."`
	CommitQueue    int           `default:"2000" env:"PODFLAME_COMMIT_QUEUE" help:"Windows that wait to be written; more are turned away for a while."`
	Commits        int           `default:"2" env:"PODFLAME_COMMITS" help:"Groups that are written at a time; of windows with many new stacks one less, so that the others need not wait for them."`
	Connections    int           `default:"16" env:"PODFLAME_CLICKHOUSE_CONNECTIONS" help:"Connections to ClickHouse."`
	CacheBytes     byteSize      `default:"96MiB" env:"PODFLAME_CACHE_BYTES" help:"Memory for the call trees of services, those in use included; one may take a third of it."`
}

type ingestFlags struct {
	MaxBody     byteSize      `default:"8MiB" env:"PODFLAME_MAX_BODY" help:"Largest upload."`
	MaxDecoded  byteSize      `default:"64MiB" env:"PODFLAME_MAX_DECODED" help:"Largest upload after decompression."`
	MaxStacks   int           `default:"50000" env:"PODFLAME_MAX_STACKS" help:"Most stacks of one type in a window."`
	MaxInFlight byteSize      `default:"128MiB" env:"PODFLAME_MAX_IN_FLIGHT" help:"Most bytes of uploads that are received or decoded at a time; more are turned away for a while."`
	MaxMemory   byteSize      `name:"max-windows-memory" default:"128MiB" env:"PODFLAME_MAX_WINDOWS_MEMORY" help:"Most memory of windows that are decoded or stored at a time; more wait, and what comes free is for the namespace that has the least."`
	MaxUploads  int           `default:"1000" env:"PODFLAME_MAX_UPLOADS" help:"Most uploads that are answered at a time; more are turned away for a while. The last quarter is for namespaces that have less than a quarter, as with --max-in-flight."`
	PerPod      int           `name:"max-uploads-per-pod" default:"4" env:"PODFLAME_MAX_UPLOADS_PER_POD" help:"Most uploads of one pod at a time."`
	MaxDecoding int           `default:"4" env:"PODFLAME_MAX_DECODING" help:"Most windows that are decoded at a time; more wait."`
	BodyTimeout time.Duration `default:"10s" env:"PODFLAME_BODY_TIMEOUT" help:"Time to receive one upload."`
	PausedFile  string        `type:"path" env:"PODFLAME_PAUSED_FILE" help:"File of what sidecars must not profile, one CLUSTER/NAMESPACE/SERVICE and a reason in each line, * for all; read again when it changes. Without the file nothing is paused."`
	MaxAhead    time.Duration `default:"10m" env:"PODFLAME_MAX_AHEAD" help:"How far a sidecar's clock may be ahead of ours."`
}

type queryFlags struct {
	Timeout      time.Duration `name:"query-timeout" default:"10s" env:"PODFLAME_QUERY_TIMEOUT" help:"Time for one query."`
	Memory       byteSize      `name:"query-memory" default:"250MB" env:"PODFLAME_QUERY_MEMORY" help:"Memory in ClickHouse for one query."`
	Rows         int64         `name:"query-rows" default:"200000000" env:"PODFLAME_QUERY_ROWS" help:"Rows that one query may read."`
	Stacks       int           `name:"query-stacks" default:"200000" env:"PODFLAME_QUERY_STACKS" help:"Distinct stacks in one answer; lighter ones are summed up as omitted."`
	MaxNodes     int           `name:"max-nodes" default:"262144" env:"PODFLAME_MAX_NODES" help:"Most nodes of a flame graph that may be asked for."`
	ExportFrames int64         `name:"export-frames" default:"4000000" env:"PODFLAME_EXPORT_FRAMES" help:"Most frames of all stacks of an export; ask for fewer nodes if there are more."`
	OTLP         string        `name:"otlp-profiles" enum:",v1development" default:"" env:"PODFLAME_OTLP_PROFILES" help:"Version of OTLP profiles to offer as a format of exports: v1development, which is not stable. Default: none."`
	Price        float64       `name:"price-per-core-hour" placeholder:"PRICE" env:"PODFLAME_PRICE_PER_CORE_HOUR" help:"What one CPU costs for an hour: shows what functions cost over all services."`
	Currency     string        `env:"PODFLAME_CURRENCY" help:"Put before amounts of money, at most 8 bytes."`
	Regressions  time.Duration `name:"regressions-every" default:"5m" env:"PODFLAME_REGRESSIONS_EVERY" help:"Time between two looks at new versions of services, to tell whether they got worse; 0 for never."`
	WarmUp       time.Duration `name:"regressions-warm-up" default:"5m" env:"PODFLAME_REGRESSIONS_WARM_UP" help:"First time of each version that does not count, as JVMs still compile."`
	WebhookAudit string        `name:"webhook-audit" env:"PODFLAME_WEBHOOK_AUDIT" help:"URL of the webhook's audit, such as http://podflame-webhook.podflame-system.svc:8080/audit, so that people see pods without their sidecar; empty: none."`
	Answers      byteSize      `name:"answer-memory" default:"64MiB" env:"PODFLAME_ANSWER_MEMORY" help:"Memory for the call trees that are worked on, and for the answers made of them; more wait."`
	AnswerWait   time.Duration `name:"answer-memory-wait" default:"10s" env:"PODFLAME_ANSWER_MEMORY_WAIT" help:"How long a query waits for that memory, and for its part of --cache-bytes; then it is turned away for a moment."`
	Concurrency  int           `name:"query-concurrency" default:"8" env:"PODFLAME_QUERY_CONCURRENCY" help:"Queries answered at a time; more wait for a moment."`
}

// Validate is called by kong after parsing.
func (c *serveCmd) Validate() error {
	if d := c.ClickHouse.RetentionDays; d < 1 || d > 7 {
		return fmt.Errorf("--retention-days=%d is not 1 to 7", d)
	}
	if d := c.ClickHouse.CommitDelay; d <= 0 || d > c.ClickHouse.InsertTimeout {
		return fmt.Errorf("--commit-delay=%s is not above 0 and at most --insert-timeout=%s", d, c.ClickHouse.InsertTimeout)
	}
	if c.ClickHouse.Cluster != "" && c.ClickHouse.ClickHouse == "" {
		return fmt.Errorf("--clickhouse-cluster=%s needs --clickhouse: the ClickHouse inside is one server and in no cluster", c.ClickHouse.Cluster)
	}
	if err := errors.Join(c.validateDoors(), c.Access.validate()); err != nil {
		return err
	}
	if c.Ingest.MaxBody > c.Ingest.MaxInFlight/4 {
		return fmt.Errorf("--max-body=%d is above a quarter of --max-in-flight=%d, so the largest uploads would be turned away whenever there is load", c.Ingest.MaxBody, c.Ingest.MaxInFlight)
	}
	if c.Ingest.MaxDecoded > c.Ingest.MaxMemory/4*3 {
		return fmt.Errorf("--max-decoded=%d is above three quarters of --max-windows-memory=%d, so the largest uploads could never be taken", c.Ingest.MaxDecoded, c.Ingest.MaxMemory)
	}
	if u, err := url.Parse(c.Query.WebhookAudit); c.Query.WebhookAudit != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "") {
		return fmt.Errorf("--webhook-audit=%s is no URL such as http://podflame-webhook.podflame-system.svc:8080/audit", c.Query.WebhookAudit)
	}
	if c.Query.Regressions < 0 || c.Query.WarmUp < 0 {
		return fmt.Errorf("--regressions-every=%s and --regressions-warm-up=%s must not be below 0", c.Query.Regressions, c.Query.WarmUp)
	}
	if c.Query.Price < 0 || len(c.Query.Currency) > 8 {
		return fmt.Errorf("--price-per-core-hour=%g must not be below 0, and --currency=%q not be longer than 8 bytes", c.Query.Price, c.Query.Currency)
	}
	for flag, n := range map[string]int{
		"max-stacks": c.Ingest.MaxStacks, "max-uploads": c.Ingest.MaxUploads, "max-uploads-per-pod": c.Ingest.PerPod, "max-decoding": c.Ingest.MaxDecoding, "query-concurrency": c.Query.Concurrency,
		"query-rows": int(c.Query.Rows), "query-stacks": c.Query.Stacks, "max-nodes": c.Query.MaxNodes, "export-frames": int(c.Query.ExportFrames), "clickhouse-connections": c.ClickHouse.Connections,
		"commit-rows": c.ClickHouse.CommitRows, "commit-bytes": int(c.ClickHouse.CommitBytes), "commit-queue": c.ClickHouse.CommitQueue, "commits": c.ClickHouse.Commits,
		"people-connections": c.Doors.PeopleConnections, "sidecar-connections": c.Doors.SidecarConnections,
		"people-connections-per-address": c.Doors.PeoplePerAddress, "sidecar-connections-per-address": c.Doors.SidecarPerAddress,
		"streams-per-connection": c.Doors.Streams,
		"reviews":                c.Access.Reviews, "source-reviews": c.Access.SourceReviews, "refusals": c.Access.Refusals, "remembered": c.Access.Remembered,
	} {
		if n < 1 {
			return fmt.Errorf("--%s=%d is below 1", flag, n)
		}
	}
	for flag, d := range map[string]time.Duration{
		"insert-timeout": c.ClickHouse.InsertTimeout, "migration-timeout": c.ClickHouse.Migration, "body-timeout": c.Ingest.BodyTimeout,
		"query-timeout": c.Query.Timeout, "answer-memory-wait": c.Query.AnswerWait, "drain-timeout": c.Doors.DrainTimeout,
	} {
		if d <= 0 {
			return fmt.Errorf("--%s=%s is not above 0", flag, d)
		}
	}
	if c.Ingest.MaxAhead < 0 {
		return fmt.Errorf("--max-ahead=%s is below 0", c.Ingest.MaxAhead)
	}
	return nil
}

func (c *serveCmd) retention() time.Duration {
	return time.Duration(c.ClickHouse.RetentionDays) * 24 * time.Hour
}

func (c *serveCmd) storeLimits() store.Limits {
	l := store.DefaultLimits()
	l.InsertTimeout, l.Connections, l.CacheBytes = c.ClickHouse.InsertTimeout, c.ClickHouse.Connections, int64(c.ClickHouse.CacheBytes)
	l.CommitDelay, l.CommitRows, l.CommitBytes = c.ClickHouse.CommitDelay, c.ClickHouse.CommitRows, int(c.ClickHouse.CommitBytes)
	l.CommitQueue, l.Commits, l.Migration = c.ClickHouse.CommitQueue, c.ClickHouse.Commits, c.ClickHouse.Migration
	l.QueryTimeout, l.QueryMemory, l.QueryRows, l.Stacks = c.Query.Timeout, int64(c.Query.Memory), c.Query.Rows, c.Query.Stacks
	return l
}

func (c *serveCmd) ingestLimits() ingest.Limits {
	l := ingest.DefaultLimits()
	l.BytesInFlight, l.Memory = int64(c.Ingest.MaxInFlight), int64(c.Ingest.MaxMemory)
	l.Uploads, l.UploadsPerPod = c.Ingest.MaxUploads, c.Ingest.PerPod
	l.Decoding, l.BodyTimeout = c.Ingest.MaxDecoding, c.Ingest.BodyTimeout
	l.Answer = c.ClickHouse.InsertTimeout + 3*time.Second
	l.DecodingWait = l.Answer - min(2*time.Second, c.ClickHouse.InsertTimeout) // at least so long for the insert
	l.Retention, l.Ahead = c.retention(), c.Ingest.MaxAhead
	l.Decode.MaxEncoded, l.Decode.MaxDecoded, l.Decode.MaxStacks = int(c.Ingest.MaxBody), int(c.Ingest.MaxDecoded), c.Ingest.MaxStacks
	return l
}

func (c *serveCmd) regressionLimits() regressions.Limits {
	l := regressions.DefaultLimits()
	l.Every, l.WarmUp = c.Query.Regressions, c.Query.WarmUp
	return l
}

func (c *serveCmd) queryLimits() query.Limits {
	l := query.DefaultLimits()
	l.Retention, l.Concurrency = c.retention(), c.Query.Concurrency
	l.ExportFrames = c.Query.ExportFrames
	l.Memory, l.MemoryWait = int64(c.Query.Answers), c.Query.AnswerWait
	l.MaxNodes, l.Nodes = c.Query.MaxNodes, min(l.Nodes, c.Query.MaxNodes)
	l.Timeout = c.Query.Timeout + 2*time.Second // the store knows better what took so long
	return l
}
