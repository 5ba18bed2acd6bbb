// Package shell is /bin/sh for containers, and the small programs that scripts
// expect beside it. It interprets; whatever touches a file or starts a program
// goes through the [World] it is given, which is the container: the shell has
// no files, variables or processes of the host.
//
// It knows shell language and files as a container shows them. It knows
// neither images nor WebAssembly.
package shell
