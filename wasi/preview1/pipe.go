package preview1

// maxPipe is how many bytes a pipe holds.
const maxPipe = 64 << 10

// queue is bytes on their way inside one guest, which has nobody to wait for: who would
// read or write them is itself.
type queue struct {
	data                   []byte
	readerGone, writerGone bool
}

// pipeEnd is one end of it.
type pipeEnd struct {
	*queue
	writes bool
}

func (*pipeEnd) fileType() fileType { return typeUnknown }

func (p *pipeEnd) close() error {
	if p.writes {
		p.writerGone = true
	} else {
		p.readerGone = true
	}
	return nil
}

// read takes what there is; of an empty pipe there is nothing to wait for.
func (p *pipeEnd) read(bufs [][]byte) (int, errno) {
	if p.writes {
		return 0, ebadf
	}
	total := 0
	for _, b := range bufs {
		n := copy(b, p.data)
		p.data = p.data[n:]
		total += n
	}
	if total == 0 && len(bufs) > 0 && !p.writerGone {
		return 0, eagain
	}
	return total, esuccess
}

// write adds what there is room for.
func (p *pipeEnd) write(bufs [][]byte) (int, errno) {
	switch {
	case !p.writes:
		return 0, ebadf
	case p.readerGone:
		return 0, epipe
	}
	total, want := 0, 0
	for _, b := range bufs {
		n := min(len(b), maxPipe-len(p.data))
		p.data = append(p.data, b[:n]...)
		total, want = total+n, want+len(b)
	}
	if total == 0 && want > 0 {
		return 0, eagain
	}
	return total, esuccess
}

// await is a poll of it.
func (p *pipeEnd) await(s *subscription) {
	ready := len(p.data) > 0 || p.writerGone
	if p.writes {
		ready = len(p.data) < maxPipe || p.readerGone
	}
	s.look = func() (uint64, bool) {
		if p.writes {
			return uint64(maxPipe - len(p.data)), p.readerGone
		}
		return uint64(len(p.data)), p.writerGone
	}
	if !ready {
		s.ready = make(chan struct{}) // nobody else changes it
	}
}
