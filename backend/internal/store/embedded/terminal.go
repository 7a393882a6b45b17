package embedded

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// giveTerminal puts a pseudo-terminal in the place of standard input, and returns
// what was there.
//
// ClickHouse as a library ends itself at any failure of a connection, be it that
// a client has left, unless its standard input is a terminal and it is told
// --interactive (ClickHouse issue 115666, mended after 26.8). It then asks for
// more when its last query has ended. As nobody is there to answer, the process
// ends instead: the prompt is the first to change the terminal's settings, which
// the other side is told in packet mode.
func giveTerminal() (parent *os.File, err error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.Stdin, err
	}
	defer func() {
		if err != nil {
			_ = master.Close()
		}
	}()
	slave, err := openSlave(int(master.Fd()))
	if err != nil {
		return os.Stdin, err
	}
	defer func() { _ = slave.Close() }()
	before, err := unix.FcntlInt(os.Stdin.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.Stdin, err
	}
	parent = os.NewFile(uintptr(before), "parent")
	if err = unix.Dup3(int(slave.Fd()), int(os.Stdin.Fd()), 0); err != nil {
		_ = parent.Close()
		return os.Stdin, err
	}
	go exitAtPrompt(master)
	return parent, nil
}

// openSlave opens the side of the terminal that is one.
func openSlave(master int) (*os.File, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock a pseudo-terminal: %w", err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCPKT, 1); err != nil {
		return nil, fmt.Errorf("set packet mode: %w", err)
	}
	number, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("find the number of a pseudo-terminal: %w", err)
	}
	return os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
}

func exitAtPrompt(master *os.File) {
	_, _ = master.Read(make([]byte, 1))
	fmt.Fprintln(os.Stderr, "the query that keeps the server up has ended")
	os.Exit(exitNoQuery)
}
