//go:build unix && !linux

package store

import "os"

const syncFlags = os.O_RDONLY
