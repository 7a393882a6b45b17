package jfr

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"
)

// TestMain lets the test binary be the child of a Decoder, as the sidecar's
// binary is, or a child that misbehaves as its arguments say.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "decode":
			exit(RunChild(os.Stdin, os.Stdout))
		case "grow":
			exit(grow())
		case "hang":
			began(os.Args[2])
			time.Sleep(time.Hour)
		case "flood":
			began(os.Args[2])
			for {
				if _, err := os.Stdout.Write(make([]byte, 1<<20)); err != nil {
					exit(err)
				}
			}
		case "refuse":
			exit(fmt.Errorf("refused"))
		}
	}
	os.Exit(m.Run())
}

// grow bounds itself as RunChild does and then takes what memory it can get.
func grow() error {
	var req request
	if err := json.NewDecoder(os.Stdin).Decode(&req); err != nil {
		return err
	}
	if err := boundSelf(&req); err != nil {
		return err
	}
	began("0")
	var taken [][]byte
	for len(taken) < 10_000 {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		taken = append(taken, b)
	}
	return fmt.Errorf("got %d MiB", len(taken))
}

// began reports the chunk with that number as begun.
func began(number string) {
	var n uint32
	if _, err := fmt.Sscan(number, &n); err != nil {
		exit(err)
	}
	exitIf(binary.Write(os.NewFile(progressFD, "progress"), binary.BigEndian, n))
}

func exitIf(err error) {
	if err != nil {
		exit(err)
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
