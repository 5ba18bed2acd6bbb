// Package runtime runs images of WebAssembly programs in sandboxes: the
// embeddable half of Wherry.
//
// A [Runtime] holds the engine and its caches; a [Container] is one image with
// a file system of its own, and limits; [Container.Run] runs its program. What
// the program may touch is in the [Spec], and a zero Spec grants nothing: no
// host file, variable, network or stream.
//
//	rt, err := runtime.New(ctx, runtime.WithCacheDir(dir))
//	...
//	c, err := rt.Create(ctx, image, runtime.Spec{Args: []string{"5.1"}, Stdout: os.Stdout})
//	...
//	err = c.Run(ctx) // *runtime.ExitError when the program exits non-zero
//
// The package knows containers. It does not know where images come from, how
// they are built, or who serves them.
package runtime
