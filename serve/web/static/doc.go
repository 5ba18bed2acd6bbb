// Package static serves the files of a container as a site. It knows names, types,
// encodings and caching of files; it runs nothing.
package static
