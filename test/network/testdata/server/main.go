// Command server is an ordinary HTTP server of Go's standard library, on the
// sockets that it is given.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
)

// Descriptors of systemd's protocol begin here.
const first = 3

func main() {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 1 {
		fmt.Fprintln(os.Stderr, "no sockets are given")
		os.Exit(1)
	}
	if err := syscall.SetNonblock(first, true); err != nil {
		panic(err)
	}
	l, err := net.FileListener(os.NewFile(first, "socket"))
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s\n", r.URL.Query().Get("name")) })
	http.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		size, err := io.Copy(h, r.Body)
		fmt.Fprintln(w, size, hex.EncodeToString(h.Sum(nil)), err)
	})
	http.HandleFunc("/end", func(http.ResponseWriter, *http.Request) { os.Exit(0) })
	panic(http.Serve(l, nil))
}
