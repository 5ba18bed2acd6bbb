// Package direct answers the requests that a server gets most, without net/http, and
// leaves all others to it.
//
// For a handler of microseconds net/http's own work - a goroutine that reads ahead, a
// head that is sorted, three dozen pieces of memory - is more than the handler's. Here a
// request is taken whose head comes in one piece and is of the one shape that nearly all
// have: HTTP/1.1, a plain path, a Host, POST with a Content-Length or GET without a body,
// and no header that changes what the message is or where it ends. Whatever else a client
// sends, its connection goes to net/http, with every byte that was read of it, and stays
// there: nothing is judged here that could be judged in two ways. What is taken means what
// net/http takes it for; a fuzz test holds the one against the other.
//
// Handlers are the same, and find the same: the context of a request ends when its client
// leaves, deadlines can be set and parts flushed by http.ResponseController, a panic with
// http.ErrAbortHandler cuts the connection.
package direct
