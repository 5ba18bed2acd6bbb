// Command guest is an ordinary Go program that a test runs as a guest: its
// standard library makes the calls that real programs make.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	commands := map[string]func() error{"files": files, "stdin": stdin, "server": server, "spin": spin, "exit": exit}
	if err := commands[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

// files does to files what programs do.
func files() error {
	if err := os.MkdirAll("/a/b/c", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile("/a/b/file", []byte("one\n"), 0o644); err != nil {
		return err
	}
	f, err := os.OpenFile("/a/b/file", os.O_APPEND|os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteString("two\n"); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(f)
	if err != nil || string(data) != "one\ntwo\n" {
		return fmt.Errorf("read %q, %v", data, err)
	}
	if err := f.Truncate(4); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	when := time.Unix(1_000_000_000, 123)
	if err := os.Chtimes("/a/b/file", when, when); err != nil {
		return err
	}
	if err := os.Rename("/a/b/file", "/a/renamed"); err != nil {
		return err
	}
	info, err := os.Stat("/a/renamed")
	if err != nil || info.Size() != 4 || !info.ModTime().Equal(when) {
		return fmt.Errorf("stat %v, %v", info, err)
	}
	if err := os.Symlink("/a/renamed", "/a/link"); err != nil {
		return err
	}
	if target, err := os.Readlink("/a/link"); err != nil || target != "/a/renamed" {
		return fmt.Errorf("readlink %q, %v", target, err)
	}
	if err := os.Link("/a/renamed", "/a/hard"); err != nil {
		return err
	}
	if _, err := os.Open("/missing"); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open a missing file: %v", err)
	}
	for i := range 200 {
		if err := os.WriteFile(fmt.Sprintf("/a/b/c/%d", i), nil, 0o644); err != nil {
			return err
		}
	}
	var names []string
	err = filepath.WalkDir("/a", func(path string, d fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil || len(names) != 206 {
		return fmt.Errorf("walk: %d names, %v", len(names), err)
	}
	if err := os.RemoveAll("/a"); err != nil {
		return err
	}
	fmt.Println("files work", os.Getenv("WHO"))
	return nil
}

// stdin waits for lines while timers run.
func stdin() error {
	ticks := 0
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-time.After(time.Millisecond):
				ticks++
			case <-done:
				return
			}
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println("line:", lines.Text())
	}
	close(done)
	return lines.Err()
}

// server answers every connection to the listener that it is given as
// descriptor 3 with what it reads, in capitals, until one says "stop".
func server() error {
	if err := syscall.SetNonblock(3, true); err != nil { // else accepting would hold up everything
		return err
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		stop := make([]byte, 4)
		if _, err := io.ReadFull(conn, stop); err != nil || string(stop) == "stop" {
			return errors.Join(err, conn.Close())
		}
		wg.Go(func() {
			defer conn.Close()
			conn.Write(bytes.ToUpper(stop))
			buf := make([]byte, 4096)
			for {
				n, err := conn.Read(buf)
				conn.Write(bytes.ToUpper(buf[:n]))
				if err != nil {
					return
				}
			}
		})
	}
}

func spin() error {
	for i := 0; ; i++ {
	}
}

func exit() error {
	fmt.Print("bye")
	os.Exit(42)
	return nil
}
