// Package cgi has a program answer HTTP as CGI/1.1 says (RFC 3875): it is run anew for
// each request, with what is asked in its environment and on its standard input, and
// says on its standard output what is answered.
package cgi
