package profile

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Groups of threads that no pool gave its name to.
const (
	// OtherThreads are those that are not told apart; see ThreadLimit.
	OtherThreads = "(other)"
	// UnnamedThreads have no name.
	UnnamedThreads = "(unnamed)"
	// UnknownThreads is how people read a group that is not known, which is the
	// empty one: of a sidecar that does not tell, or is told not to.
	UnknownThreads = "(unknown)"
)

const (
	maxThreadName  = 512  // bytes of a thread's name that are read
	maxThreadNames = 1024 // names and groups that are remembered

	// MaxThreadGroup bounds the name of a group, in bytes.
	MaxThreadGroup = 64
)

// ThreadGroups names the groups that threads belong to: a group has the name of
// its threads with # in place of what tells the threads of a pool apart, or
// differs from one process or user to the next. These are the number at the end,
// ids, hosts, addresses, and numbers of three digits and more that are no port of
// a server. It is not safe for concurrent use.
type ThreadGroups struct {
	rules []threadRule
	names map[string]string // by thread
	known map[string]bool   // groups
}

type threadRule struct {
	pattern *regexp.Regexp
	keep    string                           // what stays of a match
	decide  func(match []string) (as string) // in place of keep
}

// NewThreadGroups returns ThreadGroups that knows no thread yet.
func NewThreadGroups() *ThreadGroups {
	g := &ThreadGroups{names: map[string]string{}, known: map[string]bool{}}
	rule := func(pattern, keep string) {
		g.rules = append(g.rules, threadRule{pattern: regexp.MustCompile(pattern), keep: keep})
	}
	decided := func(pattern string, decide func([]string) string) {
		g.rules = append(g.rules, threadRule{pattern: regexp.MustCompile(pattern), decide: decide})
	}
	rule(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`, `#`)               // UUID
	rule(`://[^\s#]\S*`, `://#`)                                                    // host and path of a URL
	rule(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`, `#`)                                       // mail address
	rule(`@[0-9a-f]{1,16}\b`, `@#`)                                                 // identity of an object
	rule(`\bip(?:-\d{1,3}){4}\b`, `ip-#`)                                           // host of a cloud
	rule(`\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?`, `#`)                               // IPv4 address
	rule(`\[?(?:[0-9a-fA-F]{0,4}:){2,}[0-9a-fA-F:.]*[0-9a-fA-F]\]?(?::\d+)?`, `#`)  // IPv6 address
	rule(`\b[\w-]+(?:\.[\w-]+)+:\d{1,5}\b`, `#`)                                    // host and port
	rule(`\b[\w-]+(?:\.[\w-]+)*\.(?:`+hostEndings+`)($|[^.\w-])`, `#$1`)            // host
	rule(`\b0x[0-9a-fA-F]+`, `#`)                                                   // address of memory
	decided(`[0-9A-Za-z]{8,}`, func(m []string) string { return withoutID(m[0]) })  //
	rule(`([(\[{<=])\d+`, `$1#`)                                                    // a number in parentheses
	decided(`(\b(?:https?|nio2?|apr|ajp|jsse|port)[-_: ])?(\d{3,})`, withoutNumber) //
	rule(`\d+([)\]}>"' ]*)$`, `#$1`)                                                // the number in its pool
	rule(`#(?:[.:]?#)+`, `#`)
	return g
}

// hostEndings are last parts of hosts. Names of packages begin with some of them.
const hostEndings = `com|net|org|io|dev|app|cloud|local|localdomain|internal|lan|svc|eu|de|uk|us|fr|nl|ch|at|it|es|pl|se|in|jp|cn|br|ca|au`

// withoutID returns # for a word that is an id: hexadecimal, or one in which
// letters and digits take turns.
func withoutID(word string) string {
	hex, digits, turns := true, 0, 0
	for i := range len(word) {
		digit := isDigit(word[i])
		if digit {
			digits++
		}
		if i > 0 && digit != isDigit(word[i-1]) {
			turns++
		}
		hex = hex && (digit || strings.IndexByte("abcdefABCDEF", word[i]) >= 0)
	}
	if hex && digits > 0 && digits < len(word) || turns >= 3 {
		return "#"
	}
	return word
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// withoutNumber keeps the port of a server, which the word before tells.
func withoutNumber(match []string) string {
	before, number := match[1], match[2]
	if port, err := strconv.ParseUint(number, 10, 16); before != "" && err == nil && port > 0 {
		return match[0]
	}
	return before + "#"
}

// Of returns the group of a thread of that name. It is the group itself if it is
// one already.
func (g *ThreadGroups) Of(name string) string {
	if group, ok := g.names[name]; ok {
		return group
	}
	group := g.derive(name)
	if !g.known[group] {
		if len(g.known) >= maxThreadNames {
			return OtherThreads
		}
		g.known[group] = true
	}
	if len(g.names) < maxThreadNames {
		g.names[name] = group
	}
	return group
}

func (g *ThreadGroups) derive(name string) string {
	group := cutTo(strings.ToValidUTF8(name, "?"), maxThreadName)
	for { // each pass leaves less than is #, or is the last
		next := cutTo(g.pass(group), MaxThreadGroup)
		if next == group {
			break
		}
		group = next
	}
	if group == "" {
		return UnnamedThreads
	}
	return group
}

func (g *ThreadGroups) pass(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, name))
	for _, rule := range g.rules {
		if rule.decide == nil {
			name = rule.pattern.ReplaceAllString(name, rule.keep)
			continue
		}
		name = rule.pattern.ReplaceAllStringFunc(name, func(match string) string {
			return rule.decide(rule.pattern.FindStringSubmatch(match))
		})
	}
	return name
}

// cutTo returns at most that many bytes of a text, and no part of a character.
func cutTo(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
