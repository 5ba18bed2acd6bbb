package hostmath

import "encoding/hex"

// onnxRuntime118 is ort-wasm-simd.wasm of ONNX Runtime 1.18.0.
var onnxRuntime118 = digest("f533b5f21790563d7556c611c3835ac65848ee326da2689aac54ed7d9cc8c6a4")

// onnxRuntimePins lists what is replaced in onnxRuntime118. The names are those
// of its library of kernels, MLAS.
func onnxRuntimePins() []Pin {
	kernel := []Factor{{Param: 3}, {Param: 4}, {Param: 5}}
	product := []Factor{{Param: 2}, {Param: 3}, {Param: 4}}
	// filters, length of the sums, points; and the height of the filters once more,
	// for the body copies what they see together first, number by number
	conv := []Factor{{Param: 0, Load: true, Offset: 92}, {Param: 0, Load: true, Offset: 116}, {Param: 7}, {Param: 0, Load: true, Offset: 32}}
	return []Pin{
		pinned(1096, "iiiiiiii:", "a5e30aede6bffffe27fa34564814594ff5a80e7d15ff0f9b1dda395ac748c8ce", mlasConv, conv),
		pinned(1243, "iiiiii:", "7ce248f992db17b47a9e29207527eddc1740b6699ce2971897e12522acae49f5", mlasActivation, []Factor{{Param: 3}, {Param: 4}}),
		pinned(1879, "iiiiiiiif:i", "0c675a715821bb3c54a964a31c3657e26af0ec5c3f53a6719d4290a7975e8030", mlasKernelAdd, kernel),
		pinned(1880, "iiiiiiiif:i", "ae9fc74a8a952cc693c23508473244ba16f3a29a21d29403f9a033feaaed3f93", mlasKernelZero, kernel),
		pinned(1881, "iiiiifiiiifii:", "c1c60289cba4a804719701650bf851aebd4292d8cdff70b92c15f66a0430f603", mlasSgemm, product),
		pinned(2479, "iiiiiii:", "3b6b6494df36b9c29e8ef0f2388684241c78569d520a691e526fd3d99e1f6499", mlasIm2Col, []Factor{{Param: 4}, {Param: 6}}),
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
