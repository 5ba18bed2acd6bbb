// Command wherry-native runs one ONNX model with the native ONNX Runtime of this
// machine, for wherry, which starts it with --backend native and tells it on its
// standard input what to do. It is a program of its own because whoever loads shared
// libraries is linked against the C library; wherry is not.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/model/native"
)

func main() {
	library := flag.String("ort-library", os.Getenv(native.EnvLibrary), "path of ONNX Runtime's shared library")
	check := flag.Bool("check", false, "load the library, say its version, and end")
	shown := flag.Bool("version", false, "say the version of this program")
	flag.Parse()
	if *shown {
		fmt.Println("wherry-native", version.Release)
		return
	}
	if err := run(*library, *check); err != nil {
		fmt.Fprintln(os.Stderr, "wherry-native:", err)
		os.Exit(1)
	}
}

func run(library string, check bool) error {
	if library == "" {
		return fmt.Errorf("name the library: --ort-library PATH")
	}
	e, err := open(library)
	if err != nil {
		return err
	}
	if check {
		fmt.Println("ONNX Runtime", e.Version())
		return nil
	}
	return native.Serve(os.Stdin, os.Stdout, e)
}
