// Command dialer is a Go program that connects and listens by the socket extension,
// without blocking, as packages for that do: the standard library has no imports for
// it.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

//go:wasmimport wasi_snapshot_preview1 sock_open
//go:noescape
func sockOpen(family, kind int32, fd unsafe.Pointer) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_bind
//go:noescape
func sockBind(fd int32, addr unsafe.Pointer, port uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_listen
//go:noescape
func sockListen(fd, backlog int32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_connect
//go:noescape
func sockConnect(fd int32, addr unsafe.Pointer, port uint32) syscall.Errno

// The size of the value comes by itself here, not where it is.
//
//go:wasmimport wasi_snapshot_preview1 sock_getsockopt
//go:noescape
func sockGetOption(fd int32, level, name uint32, value unsafe.Pointer, size uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_getpeeraddr
//go:noescape
func sockRemote(fd int32, addr, port unsafe.Pointer) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_getaddrinfo
//go:noescape
func sockAddrInfo(node unsafe.Pointer, nodeLen uint32, service unsafe.Pointer, serviceLen uint32, hints, res unsafe.Pointer, most uint32, count unsafe.Pointer) syscall.Errno

type buffer struct{ at, size uint32 }

func pointer[T any](p *T) uint32 { return uint32(uintptr(unsafe.Pointer(p))) }

// lookUp gives the first address of a name.
func lookUp(name string) ([4]byte, error) {
	type sockaddr struct{ family, size, data uint32 }
	type info struct {
		flags                                   uint16
		family, kind                            uint8
		protocol, size, addr, name, named, next uint32
	}
	var data [32]byte
	sa := sockaddr{size: 32, data: pointer(&data)}
	hints, answer := info{family: 1, kind: 2}, info{addr: pointer(&sa)}
	first, count := pointer(&answer), uint32(0)
	host, service := append([]byte(name), 0), []byte("0\x00")
	if e := sockAddrInfo(unsafe.Pointer(&host[0]), uint32(len(host)), unsafe.Pointer(&service[0]), 2, unsafe.Pointer(&hints), unsafe.Pointer(&first), 1, unsafe.Pointer(&count)); e != 0 {
		return [4]byte{}, fmt.Errorf("look up %s: %w", name, e)
	}
	return [4]byte(data[2:6]), nil
}

// dial connects without blocking and waits in Go's poller.
func dial(host string, port uint32) (net.Conn, error) {
	ip, err := lookUp(host)
	if err != nil {
		return nil, err
	}
	var fd int32
	if e := sockOpen(1, 2, unsafe.Pointer(&fd)); e != 0 {
		return nil, e
	}
	if err := syscall.SetNonblock(int(fd), true); err != nil {
		return nil, err
	}
	at := buffer{pointer(&ip), 4}
	e := sockConnect(fd, unsafe.Pointer(&at), port)
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	if e != 0 && e != syscall.EINPROGRESS {
		return nil, fmt.Errorf("connect to %s: %w", host, e)
	}
	if e == syscall.EINPROGRESS {
		if err := connected(f); err != nil {
			return nil, fmt.Errorf("connect to %s: %w", host, err)
		}
	}
	return net.FileConn(f)
}

// connected waits until a socket is.
func connected(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		value := int32(0)
		if e := sockGetOption(int32(fd), 0, 2, unsafe.Pointer(&value), 4); e != 0 {
			failed = e
			return true
		}
		if syscall.Errno(value) == syscall.EINPROGRESS {
			return false
		}
		if value != 0 {
			failed = syscall.Errno(value)
			return true
		}
		var addr [128]byte
		at, port := buffer{pointer(&addr), 128}, uint32(0)
		if e := sockRemote(int32(fd), unsafe.Pointer(&at), unsafe.Pointer(&port)); e != 0 {
			failed = e
		} else if binary.LittleEndian.Uint16(addr[:]) != 1 {
			failed = errors.New("the peer has no address of IPv4")
		}
		return true
	})
	return errors.Join(err, failed)
}

func listen(port uint32) (net.Listener, error) {
	var fd int32
	if e := sockOpen(1, 2, unsafe.Pointer(&fd)); e != 0 {
		return nil, e
	}
	var any [4]byte
	at := buffer{pointer(&any), 4}
	if e := sockBind(fd, unsafe.Pointer(&at), port); e != 0 {
		return nil, e
	}
	if e := sockListen(fd, 16); e != 0 {
		return nil, e
	}
	if err := syscall.SetNonblock(int(fd), true); err != nil {
		return nil, err
	}
	return net.FileListener(os.NewFile(uintptr(fd), ""))
}

// get asks a server of HTTP, several times at once.
func get(host string, port uint32, path string, times int) error {
	var wg sync.WaitGroup
	answers := make([]string, times)
	errs := make([]error, times)
	for i := range times {
		wg.Go(func() {
			c, err := dial(host, port)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				errs[i] = err
				return
			}
			body, err := io.ReadAll(resp.Body)
			answers[i], errs[i] = string(body), err
		})
	}
	wg.Wait()
	for _, a := range answers {
		fmt.Print(a)
	}
	return errors.Join(errs...)
}

// relay answers requests of HTTP with what another server says to them.
func relay(port uint32, host string, to uint32) error {
	l, err := listen(port)
	if err != nil {
		return err
	}
	transport := &http.Transport{Dial: func(string, string) (net.Conn, error) { return dial(host, to) }, MaxIdleConnsPerHost: 64}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := http.NewRequest(r.Method, "http://"+host+r.URL.String(), r.Body)
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		out.ContentLength = r.ContentLength
		resp, err := transport.RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), 502)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
}

func main() {
	number := func(i int) uint32 {
		n, err := strconv.Atoi(os.Args[i])
		if err != nil {
			panic(err)
		}
		return uint32(n)
	}
	var err error
	switch strings.Join(os.Args[1:2], "") {
	case "get":
		err = get(os.Args[2], number(3), os.Args[4], int(number(5)))
	case "relay":
		err = relay(number(2), os.Args[3], number(4))
	default:
		err = errors.New("get or relay")
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
