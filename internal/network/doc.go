// Package network knows what the programs of containers reach and who reaches
// them: virtual networks, published ports, and what of the world outside is
// allowed. It carries bytes; it knows no images and no modules.
//
// Nothing is routed and nothing needs a privilege: an [Endpoint] is what one
// container has of the network. Endpoints of one network find each other by
// name, in one process through memory and across processes through sockets of
// the machine that only this user can open. The world outside is reached by a
// connection of the host's, after the address that it goes to has been held
// against the container's [Rules]: they are empty unless somebody wrote some, and
// what is refused is a [RefusedError] that says what to write.
package network
