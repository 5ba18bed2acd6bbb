package shell

import "strings"

// drive stands for the container's root where the interpreter joins paths with
// the rules of Windows, by which "/x" is relative.
const drive = `W:`

func hostPath(p string) string {
	if strings.HasPrefix(p, "/") {
		return drive + strings.ReplaceAll(p, "/", `\`)
	}
	return p
}

func guestPath(p string) string {
	p = strings.TrimPrefix(p, drive)
	return strings.ReplaceAll(p, `\`, "/")
}

// hosted gives the builtins that take paths the drive they need to tell
// absolute paths.
func hosted(args []string) []string {
	switch args[0] {
	case "cd", "test", "[":
		out := append([]string(nil), args...)
		for i := range out[1:] {
			out[i+1] = hostPath(out[i+1])
		}
		return out
	}
	return args
}
