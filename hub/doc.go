// Package hub is a registry: the distribution specification 1.1 as an http.Handler
// over a store.
//
// Content lies in the store, each blob once, whatever number of repositories have it.
// What belongs to which repository, its tags and who refers to whom is in one journal
// for each repository beside it, read at the start and kept in memory; a record is on
// disk before the answer that tells of it. Uploads are files that outlive the program,
// so that a client goes on where a connection, or the registry itself, broke off.
//
// Every client is hostile: what it sends is bounded in size, count and depth, what it
// is waited for in time, and a digest is what its bytes say. Content that a repository
// does not have is not there, though another one has it.
package hub
