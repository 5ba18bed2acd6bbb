package gostd

// known are the tests that fail here and on Wasmtime, with the reason. A name
// stands for its subtests, too.
var known = map[string]map[string]string{}

// worse are the tests that pass on Wasmtime and not here.
var worse = map[string]map[string]string{}
