package preview1

// function is one entry of the ABI: its name, its parameters (i for 32 bits, I
// for 64) and what does it. All but proc_exit return an errno.
type function struct {
	name     string
	params   string
	noResult bool
	call     func(*Host, *call) errno
}

// functions is the whole of preview 1, in the order of its text.
func functions() []function {
	return []function{
		{name: "args_get", params: "ii", call: (*Host).argsGet},
		{name: "args_sizes_get", params: "ii", call: (*Host).argsSizesGet},
		{name: "environ_get", params: "ii", call: (*Host).environGet},
		{name: "environ_sizes_get", params: "ii", call: (*Host).environSizesGet},
		{name: "clock_res_get", params: "ii", call: (*Host).clockResGet},
		{name: "clock_time_get", params: "iIi", call: (*Host).clockTimeGet},
		{name: "fd_advise", params: "iIIi", call: (*Host).fdAdvise},
		{name: "fd_allocate", params: "iII", call: (*Host).fdAllocate},
		{name: "fd_close", params: "i", call: (*Host).fdClose},
		{name: "fd_datasync", params: "i", call: (*Host).fdDatasync},
		{name: "fd_fdstat_get", params: "ii", call: (*Host).fdFdstatGet},
		{name: "fd_fdstat_set_flags", params: "ii", call: (*Host).fdFdstatSetFlags},
		{name: "fd_fdstat_set_rights", params: "iII", call: (*Host).fdFdstatSetRights},
		{name: "fd_filestat_get", params: "ii", call: (*Host).fdFilestatGet},
		{name: "fd_filestat_set_size", params: "iI", call: (*Host).fdFilestatSetSize},
		{name: "fd_filestat_set_times", params: "iIIi", call: (*Host).fdFilestatSetTimes},
		{name: "fd_pread", params: "iiiIi", call: (*Host).fdPread},
		{name: "fd_prestat_get", params: "ii", call: (*Host).fdPrestatGet},
		{name: "fd_prestat_dir_name", params: "iii", call: (*Host).fdPrestatDirName},
		{name: "fd_pwrite", params: "iiiIi", call: (*Host).fdPwrite},
		{name: "fd_read", params: "iiii", call: (*Host).fdRead},
		{name: "fd_readdir", params: "iiiIi", call: (*Host).fdReaddir},
		{name: "fd_renumber", params: "ii", call: (*Host).fdRenumber},
		{name: "fd_seek", params: "iIii", call: (*Host).fdSeek},
		{name: "fd_sync", params: "i", call: (*Host).fdSync},
		{name: "fd_tell", params: "ii", call: (*Host).fdTell},
		{name: "fd_write", params: "iiii", call: (*Host).fdWrite},
		{name: "path_create_directory", params: "iii", call: (*Host).pathCreateDirectory},
		{name: "path_filestat_get", params: "iiiii", call: (*Host).pathFilestatGet},
		{name: "path_filestat_set_times", params: "iiiiIIi", call: (*Host).pathFilestatSetTimes},
		{name: "path_link", params: "iiiiiii", call: (*Host).pathLink},
		{name: "path_open", params: "iiiiiIIii", call: (*Host).pathOpen},
		{name: "path_readlink", params: "iiiiii", call: (*Host).pathReadlink},
		{name: "path_remove_directory", params: "iii", call: (*Host).pathRemoveDirectory},
		{name: "path_rename", params: "iiiiii", call: (*Host).pathRename},
		{name: "path_symlink", params: "iiiii", call: (*Host).pathSymlink},
		{name: "path_unlink_file", params: "iii", call: (*Host).pathUnlinkFile},
		{name: "poll_oneoff", params: "iiii", call: (*Host).pollOneoff},
		{name: "proc_exit", params: "i", noResult: true, call: (*Host).procExit},
		{name: "proc_raise", params: "i", call: (*Host).procRaise},
		{name: "sched_yield", params: "", call: (*Host).schedYield},
		{name: "random_get", params: "ii", call: (*Host).randomGet},
		{name: "sock_accept", params: "iii", call: (*Host).sockAccept},
		{name: "sock_recv", params: "iiiiii", call: (*Host).sockRecv},
		{name: "sock_send", params: "iiiii", call: (*Host).sockSend},
		{name: "sock_shutdown", params: "ii", call: (*Host).sockShutdown},
	}
}
