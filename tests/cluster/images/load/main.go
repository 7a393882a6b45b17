// Command load asks a URL so many times a second, however slow the answers are,
// and prints how long they took, as JSON: what a service's callers feel.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

func main() {
	rate := flag.Int("rate", 50, "requests a second")
	length := flag.Duration("for", 10*time.Second, "how long to ask")
	flag.Parse()
	if flag.NArg() != 1 || *rate < 1 {
		fmt.Fprintln(os.Stderr, "usage: load [-rate N] [-for DURATION] URL")
		os.Exit(2)
	}
	if err := json.NewEncoder(os.Stdout).Encode(load(flag.Arg(0), *rate, *length)); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// result is what the callers felt, in milliseconds.
type result struct {
	Answers  int     `json:"answers"`
	Failures int     `json:"failures"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
}

// load counts the time from when a request was due, so that a service that stops
// for a while is not asked less.
func load(url string, rate int, length time.Duration) result {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: rate}}
	count := int(length.Seconds() * float64(rate))
	took, failed := make([]time.Duration, count), make([]bool, count)
	var asked sync.WaitGroup
	begin := time.Now()
	for i := range count {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		asked.Go(func() {
			failed[i] = ask(client, url) != nil
			took[i] = time.Since(due)
		})
	}
	asked.Wait()
	return summary(took, failed)
}

func ask(client *http.Client, url string) error {
	response, err := client.Get(url) //nolint:noctx // the client has a time-out
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func summary(took []time.Duration, failed []bool) (r result) {
	var good []time.Duration
	for i := range took {
		if failed[i] {
			r.Failures++
			continue
		}
		good = append(good, took[i])
	}
	r.Answers = len(good)
	if len(good) == 0 {
		return r
	}
	slices.Sort(good)
	at := func(share float64) float64 { return good[int(share*float64(len(good)-1))].Seconds() * 1000 }
	r.P50, r.P99, r.Max = at(0.5), at(0.99), at(1)
	return r
}
