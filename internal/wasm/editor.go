package wasm

// Editor writes a changed copy of a byte string. Runs between changes are copied as they are; instructions that no
// pass touches are never encoded anew. Positions are those of the source and must not decrease.
//
//	e.Reset(body.Bytes, out)
//	e.Replace(op.Start, op.End)    // copies up to op.Start, drops the instruction
//	e.Out = wasm.AppendI32Const(e.Out, 7)
//	out = e.Finish()
type Editor struct {
	// Out is what has been written. Callers append to it directly.
	Out []byte

	src  []byte
	at   int // what of src has been copied or dropped
	runs []Run
	note bool // runs are noted
}

// Reset begins a copy of src, appended to out.
func (e *Editor) Reset(src, out []byte) { e.src, e.Out, e.at, e.runs = src, out, 0, e.runs[:0] }

// NoteRuns has every copy from now on note what it copies.
func (e *Editor) NoteRuns() { e.note = true }

// Runs lists what was copied since Reset. Runs that are as far from each other in the copy as in the source are one.
func (e *Editor) Runs() []Run { return e.runs }

// run notes that the source up to pos is copied.
func (e *Editor) run(pos int) {
	if n := len(e.runs); n > 0 && e.runs[n-1].New-e.runs[n-1].Old == len(e.Out)-e.at {
		e.runs[n-1].N = pos - e.runs[n-1].Old
		return
	}
	e.runs = append(e.runs, Run{len(e.Out), e.at, pos - e.at})
}

// CopyTo copies the source up to position pos, so that what is appended to Out next stands before it.
func (e *Editor) CopyTo(pos int) {
	pos = min(pos, len(e.src))
	if pos > e.at {
		if e.note {
			e.run(pos)
		}
		e.Out = append(e.Out, e.src[e.at:pos]...)
		e.at = pos
	}
}

// Replace copies the source up to start and drops what lies between start and end.
func (e *Editor) Replace(start, end int) {
	e.CopyTo(start)
	e.at = max(e.at, min(end, len(e.src)))
}

// Insert puts bytes before position pos of the source.
func (e *Editor) Insert(pos int, b ...byte) {
	e.CopyTo(pos)
	e.Out = append(e.Out, b...)
}

// Again copies a part of the source that was copied before, or will be.
func (e *Editor) Again(start, end int) {
	if e.note && start < end {
		e.runs = append(e.runs, Run{len(e.Out), start, end - start})
	}
	e.Out = append(e.Out, e.src[start:end]...)
}

// Finish copies the rest of the source and returns Out.
func (e *Editor) Finish() []byte {
	e.CopyTo(len(e.src))
	return e.Out
}
