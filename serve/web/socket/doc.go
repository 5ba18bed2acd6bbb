// Package socket is the server's side of a WebSocket (RFC 6455): the handshake of a
// request, messages both ways, and an end with a code. It bounds how large a message is,
// how long each may take, how often a client may ask whether somebody is there, and
// finds out when nobody is at the other end any more. Compression is not agreed upon.
package socket
