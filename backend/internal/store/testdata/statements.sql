---- Blocks
SELECT func_id, name, kind FROM @.functions WHERE day = toDate('<day>') AND func_id IN ids SETTINGS max_block_size = 1024;

SELECT stack_id, frames FROM @.stacks WHERE service = {service:String} AND day = toDate('<day>') AND stack_id IN ids ORDER BY frames SETTINGS max_block_size = 256;

SELECT toInt64(series_id % 1) * 1 + intDiv(toInt64(toUnixTimestamp(window_start)) - <time>, 10800) AS block, stack_id, sum(value) AS sv, sum(count) AS sc
FROM (SELECT series_id, window_start, stack_id, value, count FROM (SELECT * FROM @.samples WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type = {type:String} AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')
 AND toStartOfFifteenMinutes(window_start) >= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC'))
 AND toStartOfFifteenMinutes(window_start) <= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC')))
 AND (series_id, window_start, commit_id) IN (SELECT series_id, window_start, commit_id FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type = {type:String} AND window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC'))) GROUP BY block, stack_id ORDER BY block LIMIT 1000001;

---- Coverage
SELECT * FROM (SELECT n, e, least(toInt64(toUnixTimestamp(window_start)) + duration_s, <time>) - <time> AS inside_s, toInt64(toInt128(d) * inside_s / duration_s) AS lost_ns FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND p.type = '' AND NOT (notEmpty(types) AND (recorded_end_ns > 0)) AND toUnixTimestamp(window_start) + duration_s > <time>);

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT 0 AS row, toUInt64(0) AS id, now64(3, 'UTC') AS reported_at, reported_at AS since, reported_at AS last_window, '' AS reason, toUInt32(0) AS window_s, CAST([], 'Array(LowCardinality(String))') AS events
UNION ALL SELECT 1, series_id, reported_at, since, last_window, reason, window_s, events FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} LIMIT 100001;

SELECT cell, of, o, e, any(n > 0) AS has_loss, sumIf(print, n <= 1) AS prints, if(sum(toInt128(v)) >= 9223372036854775807, -1, toInt64(sum(toInt128(v)))) AS lost_value, if(sum(toInt128(c)) >= 9223372036854775807, -1, toInt64(sum(toInt128(c)))) AS lost_count, if(sum(toInt128(d)) >= 9223372036854775807, -1, toInt64(sum(toInt128(d)))) AS lost_ns, if(sum(toInt128(y)) >= 9223372036854775807, -1, toInt64(sum(toInt128(y)))) AS lost_bytes
FROM (SELECT toInt64(0) AS cell, p.type AS of, o, e, n, v, c, d, y, cityHash64(series_id, window_start, received_at) AS print FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cell, of, o, e;

---- Overview
SELECT * FROM (SELECT cluster, namespace, service, series_id, min(rows.first) AS first, max(rows.last) AS last,
  if(minIf(recorded_length, recorded_length > 0) > 0, minIf(recorded_length, recorded_length > 0), min(any_length)) AS length, min(rows.born) AS born,
  groupUniqArrayArray(rows.kinds) AS kinds, sumIf(rows.stored, start >= toDateTime(<time>, 'UTC')) AS stored, sumIf(rows.stored_s, start >= toDateTime(<time>, 'UTC')) AS stored_s, sumIf(rows.stored, rows.stored_s = 0 AND start >= toDateTime(<time>, 'UTC')) AS unsized,
  maxIf(rows.stored_last, NOT start >= toDateTime(<time>, 'UTC')) AS reach, sumIf(rows.lost, start >= toDateTime(<time>, 'UTC')) AS lost, sumIf(rows.lost_s, start >= toDateTime(<time>, 'UTC')) AS lost_s,
  sumIf(rows.prints, start >= toDateTime(<time>, 'UTC')) AS prints, countIf(rows.lost > 0 AND rows.last > <time> AND NOT start >= toDateTime(<time>, 'UTC')) AS gaps
FROM (SELECT cluster, namespace, service, series_id, start, toInt64(toUnixTimestamp(start)) AS first, first + length_s AS last,
  if(has, length_s, 0) AS recorded_length, length_s AS any_length, born, kinds, toInt64(has) AS stored, if(has, length_s, 0) AS stored_s, if(has, last, 0) AS stored_last, toInt64(NOT has) AS lost, if(has, 0, length_s) AS lost_s, prints FROM (
  SELECT cluster, namespace, service, series_id, window_start AS start, toInt64(max(duration_s)) AS length_s, toInt64(toUnixTimestamp(min(jvm_start))) AS born,
    CAST(groupUniqArrayArray(types), 'Array(LowCardinality(String))') AS kinds, sum(cityHash64(series_id, window_start, received_at)) AS prints, max(notEmpty(types) AND (recorded_end_ns > 0)) AS has
  FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) WHERE type = '' AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC') OR window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') GROUP BY cluster, namespace, service, series_id, window_start)) AS rows GROUP BY cluster, namespace, service, series_id) ORDER BY series_id LIMIT 100001;

SELECT cluster, namespace, service, n, e, least(toInt64(toUnixTimestamp(window_start)) + duration_s, <time>) - <time> AS inside_s, toInt64(toInt128(d) * inside_s / duration_s) AS lost_ns FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE type = '' AND window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC') AND NOT (notEmpty(types) AND (recorded_end_ns > 0)) AND toUnixTimestamp(window_start) + duration_s > <time> AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND service IN {gaps:Array(String)};

SELECT cluster, namespace, service, series_id, reported_at, since, last_window, reason, window_s, events
FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE reported_at >= toDateTime64(<time>, 3, 'UTC') ORDER BY reported_at DESC, series_id LIMIT 100001;

SELECT cluster, namespace, service, type, groupUniqArrayArrayIf(100)(versions, type = '') AS all_versions, sum(windows) AS number, sumIf(prints, type = '') AS print, max(last) AS last_end, if(sum(toInt128(stored_value)) >= 9223372036854775807, -1, toInt64(sum(toInt128(stored_value)))) AS sv, if(sum(toInt128(stored_count)) >= 9223372036854775807, -1, toInt64(sum(toInt128(stored_count)))) AS sc, if(type = '', '', formatRow('RowBinary', sumResample(0, 180, 1)(stored_value, greatest(intDiv(toInt64(toUnixTimestamp(start)) - <time>, 60), 0)), sumResample(0, 180, 1)(recorded_ns, greatest(intDiv(toInt64(toUnixTimestamp(start)) - <time>, 60), 0)), groupUniqArrayIf(greatest(intDiv(toInt64(toUnixTimestamp(start)) - <time>, 60), 0), stored_value = 0 AND stored_count > 0))) AS steps, if(sum(toInt128(recorded_ns)) >= 9223372036854775807, -1, toInt64(sum(toInt128(recorded_ns)))) AS ns,
  arrayStringConcat(arrayMap((name, sums) -> concat(arrayStringConcat(arrayMap(n -> if(n >= 9223372036854775807, -1, toInt64(n)), sums), ' '), ' ', name),
    mapKeys(sumForEachMap(mapFromArrays(arrayMap((o, e) -> concat(toString(o), ' ', e), loss_outcome, loss_reason),
      arrayMap((c, d, y) -> [toInt128(c), d, y], loss_count, loss_duration_ns, loss_bytes))) AS losses), mapValues(losses)), '\n') AS lost
FROM (SELECT cluster, namespace, service, type, window_start AS start, [version] AS versions, toUInt64(1) AS windows, cityHash64(series_id, window_start, received_at) AS prints,
  toInt64(toUnixTimestamp(window_start)) AS first, first + duration_s AS last, captured_value, captured_count, stored_value, stored_count,
  toInt64((recorded_end_ns > 0)) AS recordings, toInt64(least(greatest(recorded_end_ns - recorded_start_ns, 0), toInt64(duration_s) * 2000000000)) AS recorded_ns, loss_outcome, loss_reason, loss_value, loss_count, loss_duration_ns, loss_bytes
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) WHERE (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cluster, namespace, service, type
ORDER BY namespace, service, cluster, type LIMIT 30001 BY cluster, namespace LIMIT 40008;

SELECT toUnixTimestamp64Milli(at) AS at_ms, toInt64(toUnixTimestamp(since)) AS since_s, toInt64(toUnixTimestamp(upto)) AS upto_s, arrayMap(h -> toInt64(toUnixTimestamp(h)), failing) AS failing_s, toInt64(longest_s) AS longest,
  at > now64(3) + toIntervalMillisecond(30000) AS ahead
FROM @.activity_known ORDER BY at DESC LIMIT 1;

SELECT toUnixTimestamp64Milli(now64(3));

---- Parts
SELECT * FROM (SELECT n, e, least(toInt64(toUnixTimestamp(window_start)) + duration_s, <time>) - <time> AS inside_s, toInt64(toInt128(d) * inside_s / duration_s) AS lost_ns FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND p.type = '' AND NOT (notEmpty(types) AND (recorded_end_ns > 0)) AND toUnixTimestamp(window_start) + duration_s > <time>);

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT 0 AS row, toUInt64(0) AS id, now64(3, 'UTC') AS reported_at, reported_at AS since, reported_at AS last_window, '' AS reason, toUInt32(0) AS window_s, CAST([], 'Array(LowCardinality(String))') AS events
UNION ALL SELECT 1, series_id, reported_at, since, last_window, reason, window_s, events FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} LIMIT 100001;

SELECT cell, name, if(sum(toInt128(stored_value)) >= 9223372036854775807, -1, toInt64(sum(toInt128(stored_value)))) AS sv, if(sum(toInt128(stored_count)) >= 9223372036854775807, -1, toInt64(sum(toInt128(stored_count)))) AS sc, uniqExactIf((series_id, window_start), has) AS windows
FROM (SELECT greatest(intDiv(toInt64(toUnixTimestamp(window_start)) - <time>, 3600), 0) AS cell, pod AS name, stored_value, stored_count, series_id, window_start, p.type != '' AND (recorded_end_ns > 0) AS has FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cell, name;

SELECT cell, name, if(sum(toInt128(stored_value)) >= 9223372036854775807, -1, toInt64(sum(toInt128(stored_value)))) AS sv, if(sum(toInt128(stored_count)) >= 9223372036854775807, -1, toInt64(sum(toInt128(stored_count)))) AS sc, uniqExactIf((series_id, window_start), has) AS windows
FROM (SELECT greatest(intDiv(toInt64(toUnixTimestamp(window_start)) - <time>, 3600), 0) AS cell, pod AS name, stored_value, stored_count, series_id, window_start, p.type != '' AND (recorded_end_ns > 0) AS has FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cell, name;

SELECT cell, of, o, e, any(n > 0) AS has_loss, sumIf(print, n <= 1) AS prints, if(sum(toInt128(v)) >= 9223372036854775807, -1, toInt64(sum(toInt128(v)))) AS lost_value, if(sum(toInt128(c)) >= 9223372036854775807, -1, toInt64(sum(toInt128(c)))) AS lost_count, if(sum(toInt128(d)) >= 9223372036854775807, -1, toInt64(sum(toInt128(d)))) AS lost_ns, if(sum(toInt128(y)) >= 9223372036854775807, -1, toInt64(sum(toInt128(y)))) AS lost_bytes
FROM (SELECT greatest(intDiv(toInt64(toUnixTimestamp(window_start)) - <time>, 3600), 0) AS cell, p.type AS of, o, e, n, v, c, d, y, cityHash64(series_id, window_start, received_at) AS print FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cell, of, o, e;

---- Parts by thread
SELECT * FROM (SELECT n, e, least(toInt64(toUnixTimestamp(window_start)) + duration_s, <time>) - <time> AS inside_s, toInt64(toInt128(d) * inside_s / duration_s) AS lost_ns FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND p.type = '' AND NOT (notEmpty(types) AND (recorded_end_ns > 0)) AND toUnixTimestamp(window_start) + duration_s > <time>);

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT 0 AS row, toUInt64(0) AS id, now64(3, 'UTC') AS reported_at, reported_at AS since, reported_at AS last_window, '' AS reason, toUInt32(0) AS window_s, CAST([], 'Array(LowCardinality(String))') AS events
UNION ALL SELECT 1, series_id, reported_at, since, last_window, reason, window_s, events FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} LIMIT 100001;

SELECT cell, of, o, e, any(n > 0) AS has_loss, sumIf(print, n <= 1) AS prints, if(sum(toInt128(v)) >= 9223372036854775807, -1, toInt64(sum(toInt128(v)))) AS lost_value, if(sum(toInt128(c)) >= 9223372036854775807, -1, toInt64(sum(toInt128(c)))) AS lost_count, if(sum(toInt128(d)) >= 9223372036854775807, -1, toInt64(sum(toInt128(d)))) AS lost_ns, if(sum(toInt128(y)) >= 9223372036854775807, -1, toInt64(sum(toInt128(y)))) AS lost_bytes
FROM (SELECT greatest(intDiv(toInt64(toUnixTimestamp(window_start)) - <time>, 3600), 0) AS cell, p.type AS of, o, e, n, v, c, d, y, cityHash64(series_id, window_start, received_at) AS print FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cell, of, o, e;

SELECT greatest(intDiv(toInt64(toUnixTimestamp(window_start)) - <time>, 3600), 0) AS cell, thread AS name, if(sum(toInt128(value)) >= 9223372036854775807, -1, toInt64(sum(toInt128(value)))) AS sv, if(sum(toInt128(count)) >= 9223372036854775807, -1, toInt64(sum(toInt128(count)))) AS sc, uniqExact((series_id, window_start)) AS windows FROM (SELECT series_id, window_start, thread, value, count FROM (SELECT * FROM @.samples WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type = {type:String} AND ((window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')
 AND toStartOfFifteenMinutes(window_start) >= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC'))
 AND toStartOfFifteenMinutes(window_start) <= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC'))))
 AND (series_id, window_start, commit_id) IN (SELECT series_id, window_start, commit_id FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type = {type:String} AND window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC') AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))) GROUP BY cell, name;

---- Services
SELECT cluster, namespace, service, type, groupUniqArrayArrayIf(100)(versions, type = '') AS all_versions, sum(windows) AS number, sumIf(prints, type = '') AS print, max(last) AS last_end, if(sum(toInt128(stored_value)) >= 9223372036854775807, -1, toInt64(sum(toInt128(stored_value)))) AS sv, if(sum(toInt128(stored_count)) >= 9223372036854775807, -1, toInt64(sum(toInt128(stored_count)))) AS sc
FROM (SELECT cluster, namespace, service, type, window_start AS start, [version] AS versions, toUInt64(1) AS windows, cityHash64(series_id, window_start, received_at) AS prints,
  toInt64(toUnixTimestamp(window_start)) AS first, first + duration_s AS last, captured_value, captured_count, stored_value, stored_count,
  toInt64((recorded_end_ns > 0)) AS recordings, toInt64(least(greatest(recorded_end_ns - recorded_start_ns, 0), toInt64(duration_s) * 2000000000)) AS recorded_ns, loss_outcome, loss_reason, loss_value, loss_count, loss_duration_ns, loss_bytes
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) WHERE (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cluster, namespace, service, type
ORDER BY namespace, service, cluster, type LIMIT 30001 BY cluster, namespace LIMIT 40008;

SELECT cluster, namespace, service, uniqExact(series_id) AS targets, sum(prints) AS print FROM (SELECT cluster, namespace, service, series_id, start, toInt64(toUnixTimestamp(start)) AS first, first + length_s AS last,
  if(has, length_s, 0) AS recorded_length, length_s AS any_length, born, kinds, toInt64(has) AS stored, if(has, length_s, 0) AS stored_s, if(has, last, 0) AS stored_last, toInt64(NOT has) AS lost, if(has, 0, length_s) AS lost_s, prints FROM (
  SELECT cluster, namespace, service, series_id, window_start AS start, toInt64(max(duration_s)) AS length_s, toInt64(toUnixTimestamp(min(jvm_start))) AS born,
    CAST(groupUniqArrayArray(types), 'Array(LowCardinality(String))') AS kinds, sum(cityHash64(series_id, window_start, received_at)) AS prints, max(notEmpty(types) AND (recorded_end_ns > 0)) AS has
  FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) WHERE type = '' AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') GROUP BY cluster, namespace, service, series_id, window_start)) GROUP BY cluster, namespace, service ORDER BY namespace, service, cluster LIMIT 3751 BY cluster, namespace LIMIT 5001;

SELECT toUnixTimestamp64Milli(at) AS at_ms, toInt64(toUnixTimestamp(since)) AS since_s, toInt64(toUnixTimestamp(upto)) AS upto_s, arrayMap(h -> toInt64(toUnixTimestamp(h)), failing) AS failing_s, toInt64(longest_s) AS longest,
  at > now64(3) + toIntervalMillisecond(30000) AS ahead
FROM @.activity_known ORDER BY at DESC LIMIT 1;

SELECT toUnixTimestamp64Milli(now64(3));

---- Sums
SELECT * FROM (SELECT n, e, least(toInt64(toUnixTimestamp(window_start)) + duration_s, <time>) - <time> AS inside_s, toInt64(toInt128(d) * inside_s / duration_s) AS lost_ns FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND p.type = '' AND NOT (notEmpty(types) AND (recorded_end_ns > 0)) AND toUnixTimestamp(window_start) + duration_s > <time>);

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT 0 AS row, toUInt64(0) AS id, now64(3, 'UTC') AS reported_at, reported_at AS since, reported_at AS last_window, '' AS reason, toUInt32(0) AS window_s, CAST([], 'Array(LowCardinality(String))') AS events
UNION ALL SELECT 1, series_id, reported_at, since, last_window, reason, window_s, events FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} LIMIT 100001
UNION ALL SELECT 2, toUInt64(toUnixTimestamp(hour)), rolled_at, rolled_at, rolled_at, '', 0, [] FROM (SELECT * FROM @.rolled_hours FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND (hour >= toDateTime(<time>, 'UTC') AND hour < toDateTime(<time>, 'UTC'));

SELECT cell, of, o, e, any(n > 0) AS has_loss, sumIf(print, n <= 1) AS prints, if(sum(toInt128(v)) >= 9223372036854775807, -1, toInt64(sum(toInt128(v)))) AS lost_value, if(sum(toInt128(c)) >= 9223372036854775807, -1, toInt64(sum(toInt128(c)))) AS lost_count, if(sum(toInt128(d)) >= 9223372036854775807, -1, toInt64(sum(toInt128(d)))) AS lost_ns, if(sum(toInt128(y)) >= 9223372036854775807, -1, toInt64(sum(toInt128(y)))) AS lost_bytes
FROM (SELECT toInt64(0) AS cell, p.type AS of, o, e, n, v, c, d, y, cityHash64(series_id, window_start, received_at) AS print FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cell, of, o, e;

SELECT stack_id, sum(value) AS v, sum(count) AS c FROM (SELECT stack_id, value, count FROM (SELECT * FROM @.samples WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type = {type:String} AND ((window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')
 AND toStartOfFifteenMinutes(window_start) >= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC'))
 AND toStartOfFifteenMinutes(window_start) <= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC')))))
GROUP BY stack_id WITH TOTALS ORDER BY v DESC, stack_id LIMIT 200000;

---- Sums of a pod
SELECT * FROM (SELECT n, e, least(toInt64(toUnixTimestamp(window_start)) + duration_s, <time>) - <time> AS inside_s, toInt64(toInt128(d) * inside_s / duration_s) AS lost_ns FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND pod IN {pods:Array(String)} AND p.type = '' AND NOT (notEmpty(types) AND (recorded_end_ns > 0)) AND toUnixTimestamp(window_start) + duration_s > <time>);

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND pod IN {pods:Array(String)})
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND pod IN {pods:Array(String)})
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT 0 AS row, toUInt64(0) AS id, now64(3, 'UTC') AS reported_at, reported_at AS since, reported_at AS last_window, '' AS reason, toUInt32(0) AS window_s, CAST([], 'Array(LowCardinality(String))') AS events
UNION ALL SELECT 1, series_id, reported_at, since, last_window, reason, window_s, events FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} LIMIT 100001;

SELECT cell, of, o, e, any(n > 0) AS has_loss, sumIf(print, n <= 1) AS prints, if(sum(toInt128(v)) >= 9223372036854775807, -1, toInt64(sum(toInt128(v)))) AS lost_value, if(sum(toInt128(c)) >= 9223372036854775807, -1, toInt64(sum(toInt128(c)))) AS lost_count, if(sum(toInt128(d)) >= 9223372036854775807, -1, toInt64(sum(toInt128(d)))) AS lost_ns, if(sum(toInt128(y)) >= 9223372036854775807, -1, toInt64(sum(toInt128(y)))) AS lost_bytes
FROM (SELECT toInt64(0) AS cell, p.type AS of, o, e, n, v, c, d, y, cityHash64(series_id, window_start, received_at) AS print FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND pod IN {pods:Array(String)}) GROUP BY cell, of, o, e;

SELECT stack_id, sum(value) AS v, sum(count) AS c FROM (SELECT stack_id, value, count FROM (SELECT * FROM @.samples WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type = {type:String} AND ((window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')
 AND toStartOfFifteenMinutes(window_start) >= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC'))
 AND toStartOfFifteenMinutes(window_start) <= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC')))) AND series_id IN (SELECT series_id FROM (SELECT * FROM @.profiles WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type IN ('', {type:String}) AND window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC') AND pod IN {pods:Array(String)}))
GROUP BY stack_id WITH TOTALS ORDER BY v DESC, stack_id LIMIT 200000;

---- Sums of threads
SELECT * FROM (SELECT n, e, least(toInt64(toUnixTimestamp(window_start)) + duration_s, <time>) - <time> AS inside_s, toInt64(toInt128(d) * inside_s / duration_s) AS lost_ns FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND p.type = '' AND NOT (notEmpty(types) AND (recorded_end_ns > 0)) AND toUnixTimestamp(window_start) + duration_s > <time>);

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT 0 AS row, toUInt64(0) AS id, now64(3, 'UTC') AS reported_at, reported_at AS since, reported_at AS last_window, '' AS reason, toUInt32(0) AS window_s, CAST([], 'Array(LowCardinality(String))') AS events
UNION ALL SELECT 1, series_id, reported_at, since, last_window, reason, window_s, events FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} LIMIT 100001;

SELECT cell, of, o, e, any(n > 0) AS has_loss, sumIf(print, n <= 1) AS prints, if(sum(toInt128(v)) >= 9223372036854775807, -1, toInt64(sum(toInt128(v)))) AS lost_value, if(sum(toInt128(c)) >= 9223372036854775807, -1, toInt64(sum(toInt128(c)))) AS lost_count, if(sum(toInt128(d)) >= 9223372036854775807, -1, toInt64(sum(toInt128(d)))) AS lost_ns, if(sum(toInt128(y)) >= 9223372036854775807, -1, toInt64(sum(toInt128(y)))) AS lost_bytes
FROM (SELECT toInt64(0) AS cell, p.type AS of, o, e, n, v, c, d, y, cityHash64(series_id, window_start, received_at) AS print FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cell, of, o, e;

SELECT stack_id, sumIf(value, thread IN {threads:Array(String)} AND thread NOT IN {not_threads:Array(String)}) AS v, sumIf(count, thread IN {threads:Array(String)} AND thread NOT IN {not_threads:Array(String)}) AS c, sum(value), sum(count) FROM (SELECT stack_id, value, count, thread FROM (SELECT * FROM @.samples WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type = {type:String} AND ((window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')
 AND toStartOfFifteenMinutes(window_start) >= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC'))
 AND toStartOfFifteenMinutes(window_start) <= toStartOfFifteenMinutes(toDateTime(<time>, 'UTC')))))
GROUP BY stack_id WITH TOTALS HAVING v > 0 OR c > 0 ORDER BY v DESC, stack_id LIMIT 200000 SETTINGS totals_mode = 'before_having';

---- Targets
SELECT cluster, namespace, service, series_id, version, pod, pod_uid, node, container, pid, jvm_start, jvm_version, main_class,
  state, reason, detail, since, session, window_s, events, profiler, sidecar, extra, spool_windows, spool_bytes, spool_oldest, last_window, reported_at FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE reported_at >= fromUnixTimestamp64Milli({since:Int64}) ORDER BY reported_at DESC, series_id LIMIT 7501 BY cluster, namespace LIMIT 10001;

---- Timeline
SELECT * FROM (SELECT n, e, least(toInt64(toUnixTimestamp(window_start)) + duration_s, <time>) - <time> AS inside_s, toInt64(toInt128(d) * inside_s / duration_s) AS lost_ns FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC') AND p.type = '' AND NOT (notEmpty(types) AND (recorded_end_ns > 0)) AND toUnixTimestamp(window_start) + duration_s > <time>);

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT * FROM (SELECT series_id, window_start, p.type, empty(types), duration_s, recorded_start_ns, recorded_end_ns, jvm_start, received_at, captured_value, captured_count, stored_value, stored_count, raw, kernel_cpu_ns, length(loss_outcome), cityHash64(series_id, window_start, received_at)
FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p  WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC'))
ORDER BY window_start, series_id
SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;

SELECT 0 AS row, toUInt64(0) AS id, now64(3, 'UTC') AS reported_at, reported_at AS since, reported_at AS last_window, '' AS reason, toUInt32(0) AS window_s, CAST([], 'Array(LowCardinality(String))') AS events
UNION ALL SELECT 1, series_id, reported_at, since, last_window, reason, window_s, events FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} LIMIT 100001;

SELECT cell, of, o, e, any(n > 0) AS has_loss, sumIf(print, n <= 1) AS prints, if(sum(toInt128(v)) >= 9223372036854775807, -1, toInt64(sum(toInt128(v)))) AS lost_value, if(sum(toInt128(c)) >= 9223372036854775807, -1, toInt64(sum(toInt128(c)))) AS lost_count, if(sum(toInt128(d)) >= 9223372036854775807, -1, toInt64(sum(toInt128(d)))) AS lost_ns, if(sum(toInt128(y)) >= 9223372036854775807, -1, toInt64(sum(toInt128(y)))) AS lost_bytes
FROM (SELECT greatest(intDiv(toInt64(toUnixTimestamp(window_start)) - <time>, 3600), 0) AS cell, p.type AS of, o, e, n, v, c, d, y, cityHash64(series_id, window_start, received_at) AS print FROM (SELECT * FROM @.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM (SELECT * FROM @.targets WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND (window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC')) AND received_at <= fromUnixTimestamp64Milli(<time>, 'UTC')) GROUP BY cell, of, o, e;

---- Versions
SELECT version, min(window_start) AS first, max(window_start) AS last FROM (SELECT * FROM @.profiles WHERE namespace IN {readable:Array(String)})
WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type = {type:String} AND window_start >= toDateTime(<time>, 'UTC') AND window_start < toDateTime(<time>, 'UTC') GROUP BY version ORDER BY first DESC, version DESC LIMIT 100;

---- WindowLength
SELECT max(window_s) FROM (SELECT * FROM @.targets FINAL WHERE namespace IN {readable:Array(String)}) WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND reported_at >= fromUnixTimestamp64Milli({since:Int64});

