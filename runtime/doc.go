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
// A program that waits for work, such as a model, is started once and called many
// times: [Container.Worker] starts it, from its image's snapshot where it has one,
// [Worker.Turn] has it answer a request, [Worker.Reset] makes it forget all of them.
//
// # Limits
//
// Every container has [Limits], a call of [Container.Exec] may have narrower
// ones, and [WithTotals] bounds what all containers of a Runtime use together.
// Where a guest can be told, it is: memory.grow and table.grow fail, opening one
// more file is EMFILE, writing one more byte ENOSPC or EDQUOT. At the limits of
// fuel, time, output and processes the call ends with a [*LimitError], which
// names the resource and whose limit it was. What was used is in [Stats], while
// containers run and after.
//
// A guest is asked how it is doing about every millisecond. That is how exact
// time and shares of the processors are kept, and how soon a call ends when its
// context does; fuel is exact to a few instructions, except among programs that
// run at the same time.
//
// The programs that every container has besides its image, /bin/sh among them,
// are Go functions of the host. They keep to the limits of files, output, wall
// time and processes; their computing is not metered.
//
// The package knows containers. It does not know where images come from, how
// they are built, or who serves them.
package runtime
