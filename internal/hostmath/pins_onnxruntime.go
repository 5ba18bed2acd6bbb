package hostmath

import "encoding/hex"

// onnxRuntime118 is ort-wasm-simd.wasm of ONNX Runtime 1.18.0.
var onnxRuntime118 = digest("f533b5f21790563d7556c611c3835ac65848ee326da2689aac54ed7d9cc8c6a4")

// onnxRuntimePins lists what is replaced in onnxRuntime118. The names are those
// of its library of kernels, MLAS.
func onnxRuntimePins() []Pin {
	kernel := []Factor{{Param: 3}, {Param: 4}, {Param: 5}}
	return []Pin{
		pinned(1879, "iiiiiiiif:i", "0c675a715821bb3c54a964a31c3657e26af0ec5c3f53a6719d4290a7975e8030", mlasKernelAdd, kernel),
		pinned(1880, "iiiiiiiif:i", "ae9fc74a8a952cc693c23508473244ba16f3a29a21d29403f9a033feaaed3f93", mlasKernelZero, kernel),
	}
}

func pinned(function uint32, typ, body, kernel string, work []Factor) Pin {
	return Pin{onnxRuntime118, function, typ, digest(body), kernel, work}
}

// digest reads a digest of this file; the test of the pins reads them all.
func digest(s string) (d [32]byte) {
	if n, err := hex.Decode(d[:], []byte(s)); err != nil || n != len(d) {
		return [32]byte{} // is the digest of nothing
	}
	return d
}
