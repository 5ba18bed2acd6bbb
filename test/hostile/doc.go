// Package hostile is a corpus of what strangers may hand to Wherry to do harm:
// modules that are malformed, that explode in the compiler or never end, guests
// that reach for files they were not given, layers, image layouts and registry
// answers that lie.
//
// Every row names how it has to end, within which time, and by how much the
// process may grow meanwhile. Nothing of it lies in files: the rows are
// generated, or compiled from testdata.
package hostile
