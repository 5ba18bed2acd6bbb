// Package registry knows how images travel to and from registries.
//
// Names, authentication and tokens are go-containerregistry's. What moves bytes
// is our own: layers in parallel, resumed by Range where a connection broke,
// verified while they are written, retried with patience, given up when a peer
// falls silent, never sent with credentials to another origin. Every document is
// bounded and validated before anything is asked for because of it.
//
// The package does not know where content goes or comes from: Fetch writes into
// an oci.Sink, Push reads from an oci.Source.
package registry
