// Package differential runs the same programs in every way that there is to run them: on the compiled engine and on the
// interpreter, metered and not, deterministic and not. They must do the same, byte by byte.
//
// The programs are real ones, run by package runtime with what they print and write compared, and random modules of
// package generate, run by the engine with their memory, results and traps compared. The tests are small by default:
//
//	WHERRY_DIFF_TIME=30m go test -run Random -timeout 0 ./test/differential   # new random modules for half an hour
//	WHERRY_DIFF_SEED=program/17 go test -run Random ./test/differential       # this one, made small if it fails
package differential
