package kube

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// configuration holds what the servers of a node read, and the objects of the
// cluster's DNS. @DIRECTORY@ stands for the folder of the cluster.
//
//go:embed conf
var configuration embed.FS

// writeConfiguration puts the files into DIRECTORY/conf, the network's
// description into a folder of its own.
func writeConfiguration(directory string) error {
	entries, err := configuration.ReadDir("conf")
	if err != nil {
		return fmt.Errorf("list the configuration of a node: %w", err)
	}
	for _, entry := range entries {
		content, err := configuration.ReadFile("conf/" + entry.Name())
		if err != nil {
			return fmt.Errorf("read the configuration of a node: %w", err)
		}
		target := filepath.Join(directory, "conf", entry.Name())
		if filepath.Ext(target) == ".conflist" {
			target = filepath.Join(directory, "conf", "cni", entry.Name())
		}
		filled := strings.ReplaceAll(string(content), "@DIRECTORY@", directory)
		if err := os.WriteFile(target, []byte(filled), 0o600); err != nil {
			return fmt.Errorf("write the configuration of a node: %w", err)
		}
	}
	return nil
}
