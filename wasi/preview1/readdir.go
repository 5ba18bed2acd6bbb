package preview1

// readdirBatch is how many names are asked of a directory at once.
const readdirBatch = 128

// fdReaddir fills the guest's buffer with entries from a cookie on. The last
// one is cut off where the buffer ends; a buffer that is not full says that the
// directory has ended.
func (h *Host) fdReaddir(c *call) errno {
	buf, e := c.bytes(1, 2)
	if e != esuccess {
		return e
	}
	out, e := c.out(4, 4)
	if e != esuccess {
		return e
	}
	_, dir, e := h.fds.directory(c.u32(0), rightFDReaddir)
	if e != esuccess {
		return e
	}
	cookie, used := c.u64(3), 0
	for used < len(buf) {
		if c.canceled() {
			return ecanceled
		}
		// No more names are fetched than could fit, each being one byte long.
		list, err := dir.file.ReadDir(cookie, min(readdirBatch, (len(buf)-used)/(sizeDirent+1)+1))
		if err != nil {
			return c.fail(err)
		}
		if len(list) == 0 {
			break
		}
		for _, d := range list {
			var head [sizeDirent]byte
			putDirent(head[:], d.Next, d.Ino, len(d.Name), fileTypeOf(d.Kind))
			used += copy(buf[used:], head[:])
			used += copy(buf[used:], d.Name)
			cookie = d.Next
		}
	}
	le.PutUint32(out, uint32(used))
	return esuccess
}
