package engine

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"
	"unsafe"

	"github.com/tetratelabs/wazero"
)

// sharedFrom is the length from which machine code is worth a file.
const sharedFrom = 64 << 10

// machineDir is the folder of a cache with machine code as processes map it.
const machineDir = "machine"

// ShareCode has all processes that run the same modules hold their machine code once.
// wazero reads it from the cache into memory of each process; ShareCode replaces that
// by a mapping of a file with the same bytes, where the system can do so and there is a
// cache. It costs about as much as reading the code once, so it is for processes that
// stay. What runs goes on.
func (e *Engine) ShareCode() error {
	if e.cache == nil || !e.keeps() {
		return nil
	}
	e.mu.Lock()
	var held []*code
	for _, c := range e.loaded {
		if len(c.machine) >= sharedFrom && c.hold() {
			held = append(held, c)
		}
	}
	e.mu.Unlock()
	var errs []error
	for _, c := range held {
		err := os.MkdirAll(e.cache.path(machineDir), 0o700)
		if err == nil {
			err = shareMachine(e.cache.path(machineDir, c.key), c.machine)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("share machine code: %w", err))
		}
		c.drop()
	}
	return errors.Join(errs...)
}

// SweepCode removes machine code that no process has mapped for long. Those that
// have it keep it.
func (e *Engine) SweepCode(unused time.Duration) (freed int64, err error) {
	c := e.cache
	if c == nil {
		return 0, nil
	}
	list, err := os.ReadDir(c.path(machineDir))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	for _, f := range list {
		info, ierr := f.Info()
		if ierr != nil || time.Since(info.ModTime()) < unused {
			continue
		}
		if rerr := os.Remove(c.path(machineDir, f.Name())); rerr != nil {
			err = errors.Join(err, rerr)
			continue
		}
		freed += info.Size()
	}
	return freed, err
}

// machineOf is where the machine code of a module lies that its runtime has just
// compiled, alone; nil when that is not to be seen. wazero has no name for it, so its
// fields are read, and nothing is taken for granted of them: TestShareCode tells when
// another version of wazero has others.
func machineOf(compiled wazero.CompiledModule) []byte {
	modules := field(field(reflect.ValueOf(compiled), "compiledEngine"), "compiledModules")
	if modules.Kind() != reflect.Map {
		return nil
	}
	var found []byte
	for all := modules.MapRange(); all.Next(); {
		code := field(all.Value(), "executable")
		if code.Kind() != reflect.Slice || code.Type().Elem().Kind() != reflect.Uint8 || code.Len() < sharedFrom {
			continue
		}
		if found != nil {
			return nil // which of them?
		}
		found = unsafe.Slice((*byte)(code.UnsafePointer()), code.Len())
	}
	return found
}

// field is a field of a struct, whatever pointers lead to it, or no value.
func field(v reflect.Value, name string) reflect.Value {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	if _, ok := v.Type().FieldByName(name); !ok {
		return reflect.Value{}
	}
	f, err := v.FieldByIndexErr(fieldIndex(v, name))
	if err != nil {
		return reflect.Value{}
	}
	return f
}

func fieldIndex(v reflect.Value, name string) []int {
	f, _ := v.Type().FieldByName(name)
	return f.Index
}
