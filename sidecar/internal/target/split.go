package target

import "strings"

// splitQuoted splits what HotSpot reads from JAVA_TOOL_OPTIONS, _JAVA_OPTIONS and
// -XX:VMOptionsFile, and the java command from JDK_JAVA_OPTIONS: at white space,
// with quotes and without escapes (arguments.cpp, parse_options_buffer; args.c,
// JLI_AddArgsFromEnvVar).
func splitQuoted(s string) []string { return split(s, false, false) }

// splitFlags splits a file of -XX:Flags: like splitQuoted, with comments
// (arguments.cpp, process_settings_file).
func splitFlags(s string) []string { return split(s, true, false) }

// splitArgFile splits an @FILE of the java command: with comments, and with
// escapes inside quotes (args.c, nextToken).
func splitArgFile(s string) []string { return split(s, true, true) }

func split(s string, comments, escapes bool) []string {
	var tokens []string
	for {
		s = strings.TrimLeft(s, " \t\r\n\f\v")
		if comments && strings.HasPrefix(s, "#") {
			_, s, _ = strings.Cut(s, "\n")
			continue
		}
		if s == "" {
			return tokens
		}
		var token string
		token, s = nextToken(s, escapes)
		tokens = append(tokens, token)
	}
}

// nextToken returns the token at the start of s and what follows it.
func nextToken(s string, escapes bool) (token, rest string) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote == 0 && strings.IndexByte(" \t\r\n\f\v", c) >= 0:
			return b.String(), s[i:]
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0 && escapes && c == '\\' && i+1 < len(s):
			i++
			i += unescape(&b, s[i:])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// unescape writes what the escape sequence at the start of s, behind its
// backslash, stands for, and returns how many bytes beyond the first it has. A
// backslash at the end of a line joins it with the next one, without its indent.
func unescape(b *strings.Builder, s string) int {
	switch s[0] {
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'f':
		b.WriteByte('\f')
	case '\r', '\n':
		return len(s) - len(strings.TrimLeft(s, "\r\n \t\f")) - 1
	default:
		b.WriteByte(s[0])
	}
	return 0
}
