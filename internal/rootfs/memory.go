package rootfs

// memoryStorage keeps data in memory.
type memoryStorage struct{}

func (memoryStorage) newStore() (store, error) {
	return &memoryStore{pages: make(map[int64][]byte)}, nil
}

// memoryStore holds blocks that grow with what is written to them.
type memoryStore struct {
	pages map[int64][]byte
}

func (s *memoryStore) readAt(p []byte, off int64) error {
	for len(p) > 0 {
		at := off % blockSize
		n := min(int64(len(p)), blockSize-at)
		clear(p[:n])
		if page := s.pages[off/blockSize]; at < int64(len(page)) {
			copy(p[:n], page[at:])
		}
		p, off = p[n:], off+n
	}
	return nil
}

func (s *memoryStore) writeAt(p []byte, off int64) error {
	for len(p) > 0 {
		at := off % blockSize
		n := min(int64(len(p)), blockSize-at)
		page := s.pages[off/blockSize]
		if end := at + n; end > int64(len(page)) {
			page = grow(page, end)
			s.pages[off/blockSize] = page
		}
		copy(page[at:], p[:n])
		p, off = p[n:], off+n
	}
	return nil
}

// grow makes a page longer, doubling what it may hold up to a whole block. What
// is beyond its length is always zero.
func grow(page []byte, length int64) []byte {
	if length <= int64(cap(page)) {
		return page[:length]
	}
	room := max(int64(cap(page))*2, length, 64)
	bigger := make([]byte, length, min(room, blockSize))
	copy(bigger, page)
	return bigger
}

func (s *memoryStore) truncate(size int64) error {
	for b, page := range s.pages {
		switch start := b * blockSize; {
		case start >= size:
			delete(s.pages, b)
		case start+int64(len(page)) > size:
			clear(page[size-start:])
			s.pages[b] = page[:size-start]
		}
	}
	return nil
}

func (s *memoryStore) number() uint64 { return 0 }

func (s *memoryStore) sync() error { return nil }
func (s *memoryStore) idle() error { return nil }

func (s *memoryStore) discard() error {
	s.pages = nil
	return nil
}
