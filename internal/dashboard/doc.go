// Package dashboard knows a page for the user of this machine: its containers, what
// they print and use, and the images, volumes and networks that there are. It starts,
// stops and removes containers. It reads what internal/state keeps and runs nothing
// itself.
//
// Who may ask: this machine, with a secret. The address that is printed has a token; who
// opens it gets a cookie and is led to the page, whose own path is a second secret. A
// cookie goes to every port of its host, so without that path each page that a container
// publishes on this machine would be sent it. Requests of other pages are turned away by
// where they come from, whatever cookies they bring.
package dashboard
