package graph

import (
	"fmt"
)

// ceiling looks for a pool with ceil_mode whose last window would begin behind
// the input. ONNX leaves such a window out; ONNX Runtime 1.18 counts it, and
// answers with the empty window's minus infinity or NaN. It can be only where a
// window is not wider than a stride and the padding; where the input's size is
// in the file it is computed.
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
	for i, k := range kernel {
		stride, dilation := of("strides", i, 1), of("dilations", i, 1)
		before, after := of("pads", i, 0), of("pads", rank+i, 0)
		const most = 1 << 31
		if min(k, stride, dilation) < 1 || min(before, after) < 0 || max(k, stride, dilation, before, after) > most {
			return "" // the engine says what is wrong with it
		}
		window := (k-1)*dilation + 1
		if window > after+stride-1 {
			continue
		}
		if len(shape) == rank+2 && shape[i+2] >= 0 && shape[i+2] < most {
			size := shape[i+2]
			steps := (size + before + after - window + stride - 1) / stride
			if steps*stride < size+before {
				continue
			}
		}
		return fmt.Sprintf("with ceil_mode and a window of %d, a stride of %d and %d of padding, its last window may lie behind the input; ONNX Runtime 1.18 computes that wrongly", window, stride, after)
	}
	return ""
}
