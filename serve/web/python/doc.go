// Package python has WSGI and ASGI applications of the Python base answer HTTP: it says
// requests in their words, lends each to an instance in which the application is
// imported, and sends what comes back.
package python
