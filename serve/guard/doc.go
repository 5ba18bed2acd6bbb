// Package guard knows what stands between a socket and the handlers of a server:
// who may ask (keys, host names, origins), how much and how slowly, under which
// name a request is known, and what is written down of it. It knows HTTP and no
// models.
package guard
