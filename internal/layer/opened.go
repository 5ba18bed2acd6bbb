package layer

// Layer is one layer of an image as a container reads it: its index, and where
// the data of its files is opened.
type Layer struct {
	Index   *Index
	Content Content
}
