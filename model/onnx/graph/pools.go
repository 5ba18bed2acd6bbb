package graph

import "fmt"

// ceiling looks for a pool with ceil_mode that ONNX Runtime 1.18 computes
// otherwise than ONNX and later releases do, without a word. A last window that
// would begin behind the input is left out by ONNX; 1.18 has it, with the minus
// infinity or NaN of an empty window. It can be only where a window is not wider
// than a stride and the padding. And an average over a last window that reaches
// over the padding is divided by too much when the padding counts. Where the
// file says how long the input is, both are computed.
func (l *lowering) ceiling(n *Node) (why string) {
	switch {
	case n.Domain != "" || n.Op != "MaxPool" && n.Op != "AveragePool" && n.Op != "LpPool":
		return ""
	case n.Attribute("ceil_mode") == nil || len(n.Inputs) == 0:
		return ""
	}
	ceil, _ := n.Attribute("ceil_mode").Int()
	if auto, _ := n.Attribute("auto_pad").Text(); ceil == 0 || auto == "SAME_UPPER" || auto == "SAME_LOWER" {
		return ""
	}
	kernel := n.Attribute("kernel_shape").Ints(maxDims)
	rank := len(kernel)
	of := func(name string, i int, plain int64) int64 {
		if list := n.Attribute(name).Ints(2 * maxDims); i < len(list) {
			return list[i]
		}
		return plain
	}
	shape := l.shapes[n.Inputs[0]]
	padded, _ := n.Attribute("count_include_pad").Int()
	counts := n.Op == "AveragePool" && padded != 0
	for i, k := range kernel {
		stride, dilation := of("strides", i, 1), of("dilations", i, 1)
		before, after := of("pads", i, 0), of("pads", rank+i, 0)
		const most = 1 << 31
		if min(k, stride, dilation) < 1 || min(before, after) < 0 || max(k, stride, dilation, before, after) > most {
			return "" // the engine says what is wrong with it
		}
		window := (k-1)*dilation + 1
		behind := window <= after+stride-1
		if len(shape) == rank+2 && shape[i+2] >= 0 && shape[i+2] < most {
			size := shape[i+2]
			rest := size + before + after - window
			if rest%stride == 0 {
				continue // no window reaches over the end
			}
			behind = behind && (rest+stride-1)/stride*stride >= size+before
		}
		switch {
		case behind:
			return fmt.Sprintf("with ceil_mode, a window of %d, a stride of %d and %d of padding its last window may lie behind the input, which ONNX Runtime 1.18 computes wrongly", window, stride, after)
		case counts && stride > 1:
			return "with ceil_mode and count_include_pad its last window may reach over the padding, which ONNX Runtime 1.18 counts wrongly"
		}
	}
	return ""
}
