// Command fetch prints what a URL answers, from within a pod: a static busybox
// cannot resolve names.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := fetch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}

func fetch(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("usage: fetch URL")
	}
	client := &http.Client{Timeout: 3 * time.Second}
	response, err := client.Get(arguments[0]) //nolint:noctx // the client has a time-out
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", arguments[0], response.Status)
	}
	return nil
}
