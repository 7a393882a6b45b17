package embedded

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// userName is the user of all clients; it may do everything.
const userName = "podflame"

// blockingQuery keeps the server up. It is run by the user default, who cannot
// have a password in clickhouse-local and whom any process of the pod may
// therefore be over loopback; so it may do nothing but this.
const blockingQuery = `SYSTEM START LISTEN TCP;
SYSTEM START LISTEN HTTP;
SELECT sleepEachRow(1) FROM system.numbers SETTINGS max_block_size = 1 FORMAT Null`

// serverConfig has the values that notes on memory and pools call for; the
// settings of users are silently ignored here. merge_selector_base is 5 elsewhere: 10
// rewrites 45 % fewer of the first million rows for about as many parts, and merges are most of
// what ClickHouse does while windows arrive. Statistics of columns, of which there are many and
// which each insert and merge would count anew, say nothing that our reads need.
var serverConfig = template.Must(template.New("config.xml").Parse(`<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>{{.Native}}</tcp_port>
  <http_port>{{.HTTP}}</http_port>
  <users_config>{{html .UsersFile}}</users_config>
  <max_server_memory_usage>{{.ServerMemory}}</max_server_memory_usage>
  <max_concurrent_queries>{{.MaxQueries}}</max_concurrent_queries>
  <max_connections>256</max_connections>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <merge_tree>
    <merge_selector_base>10</merge_selector_base>
    <auto_statistics_types></auto_statistics_types>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
{{.More}}
</clickhouse>
`))

var usersConfig = template.Must(template.New("users.xml").Parse(`<clickhouse>
  <profiles>
    <default>
      <max_memory_usage>{{.QueryMemory}}</max_memory_usage>
      <async_insert>0</async_insert>
      <query_profiler_real_time_period_ns>0</query_profiler_real_time_period_ns>
      <query_profiler_cpu_time_period_ns>0</query_profiler_cpu_time_period_ns>
    </default>
    <blocker>
      <max_memory_usage>20000000</max_memory_usage>
      <max_threads>1</max_threads>
      <function_sleep_max_microseconds_per_block>0</function_sleep_max_microseconds_per_block>
      <query_profiler_real_time_period_ns>0</query_profiler_real_time_period_ns>
      <query_profiler_cpu_time_period_ns>0</query_profiler_cpu_time_period_ns>
    </blocker>
  </profiles>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>blocker</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT SELECT ON system.numbers</query>
      </grants>
    </default>
    <{{.User}}>
      <password>{{.Password}}</password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </{{.User}}>
  </users>
  <quotas><default></default></quotas>
</clickhouse>
`))

// writeConfig writes the configuration files and returns the arguments.
func (s *Server) writeConfig(native, http int) ([]string, error) {
	data := filepath.Join(s.cfg.Dir, "clickhouse")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	usersFile := filepath.Join(s.cfg.Dir, "users.xml")
	configFile := filepath.Join(s.cfg.Dir, "config.xml")
	values := struct {
		Config
		Native, HTTP              int
		User, Password, UsersFile string
	}{s.cfg, native, http, userName, s.password, usersFile}
	if err := writeTemplate(usersFile, usersConfig, values); err != nil {
		return nil, err
	}
	if err := writeTemplate(configFile, serverConfig, values); err != nil {
		return nil, err
	}
	return []string{
		"clickhouse",
		"--path=" + data,
		"--config-file=" + configFile,
		"--interactive", "--progress=off", "--progress-table=off", // see giveTerminal
		"--logger.level=warning", "--log-level=warning", // the file's level is ignored
		"--query", blockingQuery,
	}, nil
}

func writeTemplate(path string, t *template.Template, values any) error {
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_ = os.Remove(path) // it may have wider permissions
	return os.WriteFile(path, text.Bytes(), 0o600)
}
