//go:build wasip1

// The guest asks its host for a number and prints it; with an argument it
// computes until it is stopped.
package main

import (
	"fmt"
	"os"
)

//go:wasmimport shop price
func price(item uint32) uint64

func main() {
	if len(os.Args) > 1 {
		for i := 0; ; i++ {
			if i < 0 {
				fmt.Println(i)
			}
		}
	}
	fmt.Println("price", price(7))
}
