package store

import "os"

const syncFlags = os.O_RDWR
