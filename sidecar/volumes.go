package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/session"
)

// VolumeFlags say where JVMs and sidecar meet.
type VolumeFlags struct {
	RecordingsDir string `env:"PODFLAME_RECORDINGS_DIR" type:"path" help:"Directory that holds, for each profiled container, a directory of its name shared with that container. Default: ${recordings}."`
	LibraryDir    string `env:"PODFLAME_LIBRARY_DIR" type:"path" help:"Directory of the profiler library, which the JVMs need not write. Default: ${library}."`
	SharedDir     string `env:"PODFLAME_SHARED_DIR" type:"path" help:"One directory for all of that, where there is no --recordings-dir. Default: podflame in the temporary directory with --local."`

	volumes session.Volumes
}

// resolve finds the volumes. A webhook of version 0.1 gives --shared-dir alone.
func (f *VolumeFlags) resolve(local bool) error {
	if f.RecordingsDir == "" && f.SharedDir == "" {
		if local {
			f.SharedDir = filepath.Join(os.TempDir(), "podflame")
		} else {
			f.RecordingsDir = contract.RecordingsPath
		}
	}
	if f.RecordingsDir == "" {
		setDefault(&f.LibraryDir, f.SharedDir)
		f.volumes = session.Volumes{f.SharedDir}
		return nil
	}
	setDefault(&f.LibraryDir, contract.LibraryPath)
	entries, err := os.ReadDir(f.RecordingsDir)
	if err != nil {
		return fmt.Errorf("find the volumes of recordings: %w; set --recordings-dir or --shared-dir", err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			f.volumes = append(f.volumes, filepath.Join(f.RecordingsDir, entry.Name()))
		}
	}
	if len(f.volumes) == 0 {
		return fmt.Errorf("%s holds no directory of a profiled container; set --recordings-dir or --shared-dir", f.RecordingsDir)
	}
	return nil
}
