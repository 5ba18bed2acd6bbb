// Package state knows the containers of this machine: what each was created with,
// how it stands, and the process that keeps it, its supervisor. There is no daemon:
// a detached container is one process that holds the container's lock for as long
// as it lives, and that lock is the only truth about whether it does. Whoever looks
// at a container whose files say that it runs, and whose lock is free, knows that
// its supervisor was killed, and puts down what became of it.
//
// On disk, below the folder of a Store:
//
//	containers/<ID>/config.json  what it was created with; changed by rename and update
//	containers/<ID>/state.json   how it stands; replaced atomically
//	containers/<ID>/lock         held by its supervisor
//	containers/<ID>/logs/        what its program printed
//	containers/<ID>/upper/       the files that it wrote (runtime.Spec.Dir)
//	volumes/<name>/              folders that outlive containers
//	events/                      what happened to all of them
//	run/                         where supervisors listen
//
// The package runs no program itself: a Runner does, which is handed in.
package state
