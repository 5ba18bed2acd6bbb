// Probe is the guest of the scripts: a program that does what its first
// argument says, so that one module serves them all.
package main

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Println("probe: nothing to do")
		return
	}
	if err := do(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func do(what string, args []string) error {
	switch what {
	case "args":
		for _, a := range args {
			fmt.Printf("%q\n", a)
		}
	case "env":
		list := os.Environ()
		slices.Sort(list)
		for _, kv := range list {
			fmt.Println(kv)
		}
	case "exit":
		n, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return err
		}
		os.Exit(int(n))
	case "cat":
		if len(args) == 0 {
			_, err := io.Copy(os.Stdout, os.Stdin)
			return err
		}
		for _, name := range args {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			os.Stdout.Write(b)
		}
	case "write":
		return os.WriteFile(args[0], []byte(args[1]), 0o644)
	case "list":
		entries, err := os.ReadDir(args[0])
		if err != nil {
			return err
		}
		for _, e := range entries {
			fmt.Println(e.Name())
		}
	case "pwd":
		dir, err := os.Getwd()
		fmt.Println(dir)
		return err
	case "spin":
		fmt.Println("spinning")
		for x := uint64(1); ; x = x*6364136223846793005 + 1442695040888963407 {
			if x == 0 {
				fmt.Println("zero")
			}
		}
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(time.Hour)
	case "upper":
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			fmt.Println(len(lines.Text()), lines.Text())
		}
		return lines.Err()
	case "panic":
		panic("as asked")
	case "eat":
		var kept [][]byte
		for {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			kept = append(kept, b)
			fmt.Println(len(kept) * 16)
		}
	case "fill": // a file, until there is no room
		f, err := os.Create(args[0])
		for b := make([]byte, 64<<10); err == nil; {
			_, err = f.Write(b)
		}
		return err
	case "hoard":
		for kept := []*os.File{}; ; {
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("%d are open: %w", len(kept), err)
			}
			kept = append(kept, f)
		}
	case "chance":
		return chance(args[0])
	case "fork":
		fmt.Println(os.Getpid())
	default:
		return fmt.Errorf("cannot %s", what)
	}
	return nil
}

// chance prints what differs between runs of ordinary programs, and how its
// input came in.
func chance(dir string) error {
	random := make([]byte, 8)
	rand.Read(random)
	words := map[string]int{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8, "i": 9}
	fmt.Printf("%x %x", random, maphash.String(maphash.MakeSeed(), "text"))
	for w := range words {
		fmt.Print(" ", w)
	}
	zero := float64(len(words) - 9)
	fmt.Printf("\n%x %d\n", math.Float64bits(zero/zero), time.Now().UnixNano())
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Print(e.Name(), " ", info.ModTime().UnixNano(), " ")
	}
	n, err := io.Copy(io.Discard, os.Stdin)
	fmt.Println(n, time.Now().UnixNano())
	return err
}
