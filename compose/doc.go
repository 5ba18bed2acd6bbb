// Package compose makes containers, networks and volumes of a compose file, and looks
// after them as one stack. It reads the file with the Compose project's own loader,
// says what in it cannot work here, and translates the rest into what `run`, `network
// create` and `volume create` take: those words are the boundary, and what they mean is
// written behind it once.
//
// It keeps no state of its own. What belongs to a stack is found by the labels of
// containers, networks and volumes, which are those of Docker Compose.
package compose
