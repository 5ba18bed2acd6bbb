// Package preview1 is the host side of WASI preview 1: the functions that a
// guest imports from wasi_snapshot_preview1 (and, with the older layouts, from
// wasi_unstable).
//
// A Host is the kernel of one guest: a table of file descriptors with rights
// that can only shrink, over a rootfs tree, three standard streams and the
// listeners that were handed in. What was not handed in does not exist. Every
// wait ends within moments of the call's context, every pointer and length
// from the guest is checked before anything is done, and counts that the guest
// chooses are bounded by Limits.
package preview1
