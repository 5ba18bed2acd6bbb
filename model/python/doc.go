// Package python knows Python models: a file with a function predict, in a
// container of the Python base. It has what the base's launcher says of the
// function as a signature, and requests of tensors answered by it.
//
// What a type of Python is as a tensor is decided by the launcher; docs/models.md
// has the table.
package python
