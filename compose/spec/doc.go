// Package spec knows the Compose file's format: which files a stack is read from, how YAML
// with variables, includes and extensions becomes one tree, what may stand in it, and the
// project that it describes. It reads files and the variables it is given, and nothing
// else: what a stack is made of here is the parent's.
//
// The parts of the Compose project's library that canonicalise, merge and interpolate are
// used as they are. Its loader is not: the JSON schema's validator behind it costs every
// program that links it milliseconds at its start (docs/rationale.md).
package spec
