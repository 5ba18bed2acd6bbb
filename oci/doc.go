// Package oci is the vocabulary of images: media types, references, digests,
// platforms, annotations, strict reading of indexes, manifests and configs, and
// the building of the documents that Wherry writes.
//
// It does no I/O. Everything it reads is taken for hostile: a document is
// bounded in bytes, depth, counts and names before anything believes it, and a
// document that two readers could understand differently is refused.
package oci
