package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
)

// wordsVariable holds the line up to the cursor when a shell asks what could
// come next.
const wordsVariable = "PODFLAME_COMPLETE"

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is shown under the flags.
func (completionCmd) Help() string {
	return `bash: source <(podflame completion bash). zsh: source <(podflame completion zsh), after compinit. fish: podflame completion fish | source.
For "kubectl podflame", put a program kubectl_complete-podflame on the PATH: #!/bin/sh, then PODFLAME_COMPLETE="podflame $*" exec kubectl-podflame.`
}

// Run prints the lines for the shell.
func (c *completionCmd) Run(a *app) error {
	return a.print(map[string]string{
		"bash": `_podflame() { local IFS=$'\n'; COMPREPLY=($(PODFLAME_COMPLETE="${COMP_LINE:0:COMP_POINT}" podflame 2>/dev/null)); }
complete -o default -F _podflame podflame
`,
		"zsh": `_podflame() { local -a found; found=("${(@f)$(PODFLAME_COMPLETE="$BUFFER" podflame 2>/dev/null)}"); compadd -a found; }
compdef _podflame podflame
`,
		"fish": `complete -c podflame -f -a '(PODFLAME_COMPLETE=(commandline -cp) podflame 2>/dev/null)'
`,
	}[c.Shell])
}

// asked returns the words of the line to complete, the last of which is being
// written, if a shell asks.
func asked(getenv func(string) string) ([]string, bool) {
	line := getenv(wordsVariable)
	if line == "" {
		return nil, false
	}
	words := strings.Fields(line)
	if strings.HasSuffix(line, " ") {
		words = append(words, "")
	}
	return words[min(1, len(words)):], true
}

// completionTimeout is what a press of the tab key may wait for a backend, unless
// the environment says otherwise.
const completionTimeout = 2 * time.Second

// complete prints what could come next, one in a line.
func complete(ctx context.Context, a *app, parser *kong.Kong, words []string) error {
	if len(words) == 0 {
		return nil
	}
	node, last := parser.Model.Node, words[len(words)-1]
	for _, word := range words[:len(words)-1] {
		for _, child := range node.Children {
			if child.Name == word {
				node = child
			}
		}
	}
	var before string
	if len(words) > 1 {
		before = words[len(words)-2]
	}
	var found []string
	for _, could := range candidates(ctx, a, node, before, last) {
		if strings.HasPrefix(could, last) {
			found = append(found, could+"\n")
		}
	}
	return a.print(strings.Join(found, ""))
}

func candidates(ctx context.Context, a *app, node *kong.Node, before, last string) []string {
	for _, flag := range flagsOf(node) {
		if before == "--"+flag.Name || flag.Short != 0 && before == "-"+string(flag.Short) {
			if !flag.IsBool() {
				return flag.EnumSlice()
			}
		}
	}
	var out []string
	if strings.HasPrefix(last, "-") {
		for _, flag := range flagsOf(node) {
			out = append(out, "--"+flag.Name)
		}
		slices.Sort(out)
		return out
	}
	for _, child := range node.Children {
		if !child.Hidden {
			out = append(out, child.Name)
		}
	}
	for _, argument := range node.Positional {
		if argument.Enum != "" {
			out = append(out, argument.EnumSlice()...)
		}
		if argument.Tag.Get("predictor") == "service" {
			out = append(out, serviceNames(ctx, a)...)
		}
	}
	return out
}

// flagsOf are the flags that may stand after a command.
func flagsOf(node *kong.Node) (out []*kong.Flag) {
	for n := node; n != nil; n = n.Parent {
		for _, flag := range n.Flags {
			if !flag.Hidden {
				out = append(out, flag)
			}
		}
	}
	return out
}

// serviceNames asks a backend whose address is in the environment; a port is not
// forwarded for the tab key.
func serviceNames(ctx context.Context, a *app) []string {
	config, ok := environment()
	if !ok {
		return nil
	}
	c, err := client.New(config)
	if err != nil {
		return nil
	}
	now := a.now()
	services, err := client.Ask[api.Services](ctx, c, "/api/v1/services", client.Span{From: now.Add(-time.Hour), To: now}.Query())
	if err != nil {
		return nil
	}
	count := map[string]int{}
	for _, s := range services.Services {
		count[s.Service]++
	}
	var names []string
	for _, s := range services.Services {
		if count[s.Service] > 1 {
			names = append(names, fmt.Sprintf("%s/%s", s.Namespace, s.Service))
			continue
		}
		names = append(names, s.Service)
	}
	return names
}

// environment is where the environment says the backend is.
func environment() (client.Config, bool) {
	server, timeout := os.Getenv("PODFLAME_SERVER"), completionTimeout
	if said, err := time.ParseDuration(os.Getenv("PODFLAME_TIMEOUT")); err == nil {
		timeout = said
	}
	return client.Config{
		URL: server, TokenFile: os.Getenv("PODFLAME_TOKEN_FILE"), CAFile: os.Getenv("PODFLAME_CA_FILE"), ServerName: os.Getenv("PODFLAME_SERVER_NAME"),
		Timeout: timeout, UserAgent: "podflame/" + version,
	}, server != ""
}
