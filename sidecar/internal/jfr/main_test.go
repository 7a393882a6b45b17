package jfr

import (
	"encoding/binary"
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
