package profile

import (
	"regexp"
	"strings"
)

// Normalizer removes from the names of Java methods and classes what differs
// between runs of the same program, by the rules of NameRules. It never makes
// one name of two classes that people wrote, as far as names can tell them from
// generated ones. It is not safe for concurrent use.
type Normalizer struct {
	rules []compiledRule
	word  *regexp.Regexp
}

type compiledRule struct {
	needs   []string
	pattern *regexp.Regexp
	keep    string
	random  bool
}

// NewNormalizer returns a Normalizer.
func NewNormalizer() *Normalizer {
	n := &Normalizer{word: regexp.MustCompile(`^(?:(?:[A-Z][a-z]+)+|[A-Z]+)[0-9]{0,2}$`)}
	for _, r := range NameRules() {
		if r.Pattern != "" {
			n.rules = append(n.rules, compiledRule{r.Needs, regexp.MustCompile(r.Pattern), r.Keep, r.Random})
		}
	}
	return n
}

// Name returns the normalised name. Normalising twice changes nothing more.
func (n *Normalizer) Name(name string) string {
	if !strings.ContainsAny(name, "$0123456789") { // nothing is generated without
		return name
	}
	for {
		next := name
		for i := range n.rules {
			next = n.apply(&n.rules[i], next)
		}
		if next == name {
			return name
		}
		name = next
	}
}

func (n *Normalizer) apply(r *compiledRule, name string) string {
	for _, needed := range r.needs {
		if !strings.Contains(name, needed) {
			continue
		}
		if !r.random {
			return r.pattern.ReplaceAllString(name, r.keep)
		}
		return r.pattern.ReplaceAllStringFunc(name, func(found string) string {
			groups := r.pattern.FindStringSubmatch(found)
			if groups == nil || n.word.MatchString(groups[2]) {
				return found
			}
			return r.pattern.ReplaceAllString(found, r.keep)
		})
	}
	return name
}
