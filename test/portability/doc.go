// Package portability runs the program as other machines would: the Windows
// binary under Wine, the arm64 one under qemu. They must build to the digest
// that this machine gives, and images that were pushed here must do there what
// they do here.
//
// Its tests take minutes and need Wine and qemu, so they have a build tag:
//
//	make portability
package portability
