// Command guest asks a model by wasi-nn: guest HOW MODEL NUMBER..., where HOW is
// "name" or "bytes", and prints what comes of the numbers, or the error's number.
package main

import (
	"fmt"
	"os"
	"strconv"
	"unsafe"
)

//go:wasmimport wasi_ephemeral_nn load
func load(builders unsafe.Pointer, count, encoding, target uint32, graph *uint32) uint32

//go:wasmimport wasi_ephemeral_nn load_by_name
func loadByName(name unsafe.Pointer, length uint32, graph *uint32) uint32

//go:wasmimport wasi_ephemeral_nn init_execution_context
func initExecutionContext(graph uint32, context *uint32) uint32

//go:wasmimport wasi_ephemeral_nn set_input
func setInput(context, index uint32, tensor unsafe.Pointer) uint32

//go:wasmimport wasi_ephemeral_nn compute
func compute(context uint32) uint32

//go:wasmimport wasi_ephemeral_nn get_output
func getOutput(context, index uint32, buffer unsafe.Pointer, room uint32, length *uint32) uint32

//go:wasmimport wasi_ephemeral_nn unload
func unload(graph uint32) uint32

func check(what string, code uint32) {
	if code != 0 {
		fmt.Println(what, code)
		os.Exit(3)
	}
}

func address[T any](list []T) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(list)))) }

func open(how, name string) (graph uint32) {
	text := []byte(name)
	if how == "name" {
		check("load_by_name", loadByName(unsafe.Pointer(unsafe.SliceData(text)), uint32(len(text)), &graph))
		return graph
	}
	file, err := os.ReadFile(name)
	if err != nil {
		panic(err)
	}
	builder := []uint32{address(file), uint32(len(file))}
	const onnx, cpu = 1, 0
	check("load", load(unsafe.Pointer(&builder[0]), 1, onnx, cpu, &graph))
	fmt.Fprintln(os.Stderr, len(file), "bytes")
	return graph
}

func main() {
	graph := open(os.Args[1], os.Args[2])
	var numbers []float32
	for _, w := range os.Args[3:] {
		x, err := strconv.ParseFloat(w, 32)
		if err != nil {
			panic(err)
		}
		numbers = append(numbers, float32(x))
	}
	var context uint32
	check("init_execution_context", initExecutionContext(graph, &context))
	dims := []uint32{uint32(len(numbers))}
	const f32 = 1
	tensor := []uint32{address(dims), 1, f32, address(numbers), uint32(4 * len(numbers))}
	check("set_input", setInput(context, 0, unsafe.Pointer(&tensor[0])))
	check("compute", compute(context))
	out := make([]float32, 4096)
	var length uint32
	check("get_output", getOutput(context, 0, unsafe.Pointer(&out[0]), uint32(4*len(out)), &length))
	fmt.Println(out[:length/4])
	check("unload", unload(graph))
	_ = dims[0] + uint32(numbers[0])
}
