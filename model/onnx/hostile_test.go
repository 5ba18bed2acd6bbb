package onnx_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/test/dock"
)

// liar has the exports of ONNX Runtime that are called here, and answers what its
// memory says from 16 on.
const liar = `(module
	(memory (export "K") 1 2)
	(func (export "L"))
	(func (export "M") (param i32 i32) (result i32) (i32.const 0))
	(func (export "N") (param i32 i32) (result i32)
		(i32.store (local.get 0) (i32.load (i32.const 32))) (i32.store (local.get 1) (i32.load (i32.const 36))) (i32.const 0))
	(func (export "O") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 1))
	(func (export "S") (param i32))
	(func (export "T") (param i32 i32 i32) (result i32) (i32.load (i32.const 40)))
	(func (export "U") (param i32))
	(func (export "V") (param i32 i32 i32) (result i32)
		(i32.store (local.get 1) (i32.load (i32.const 16))) (i32.store (local.get 2) (i32.load (i32.const 20))) (i32.const 0))
	(func (export "W") (param i32 i32) (result i32) (i32.load (i32.const 24)))
	(func (export "X") (param i32 i32) (result i32) (i32.load (i32.const 24)))
	(func (export "Y") (param i32))
	(func (export "Z") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.load (i32.const 40)))
	(func (export "_") (param i32 i32 i32 i32 i32) (result i32)
		(i32.store (local.get 1) (i32.load (i32.const 48))) (i32.store (local.get 2) (i32.load (i32.const 52)))
		(i32.store (local.get 3) (i32.load (i32.const 56))) (i32.store (local.get 4) (i32.load (i32.const 60))) (i32.const 0))
	(func (export "$") (param i32))
	(func (export "aa") (param i32 i32 i32 i32) (result i32) (i32.const 1))
	(func (export "ca") (param i32))
	(func (export "ja") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.load (i32.const 44)))
	(func (export "la") (param i32) (result i32) (i32.load (i32.const 28)))
	(func (export "ma") (param i32)))`

func liarModule(t testing.TB) (*engine.Engine, *engine.Module) {
	t.Helper()
	bin := dock.WAT(t, liar)
	e, err := engine.New(t.Context(), engine.Config{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.WithoutCancel(t.Context())) })
	sum := sha256.Sum256(bin)
	m, err := e.Load(t.Context(), hex.EncodeToString(sum[:]), func(context.Context) (engine.Artifact, error) { return engine.Artifact{Wasm: bin}, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e, m
}

// honest is what makes the liar's model one input and one output x of one float.
func honest() map[uint32]uint32 {
	return map[uint32]uint32{16: 1, 20: 1, 24: 100, 100: 'x', 28: 4096, 32: 9, 36: 100, 40: 200, 44: 0, 48: 1, 52: 300, 56: 320, 60: 1, 320: 1}
}

// lie loads a model and runs it on a liar.
func lie(t testing.TB, e *engine.Engine, m *engine.Module, says map[uint32]uint32) ([]model.Tensor, error) {
	t.Helper()
	i, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(t.Context())
	for at, v := range says {
		i.Memory().WriteUint32Le(at, v)
	}
	s, err := onnx.Load(t.Context(), i, bytes.NewReader([]byte("model")))
	if err != nil {
		return nil, err
	}
	return s.Run(t.Context(), []model.Tensor{model.Of("x", []float32{1})}, nil)
}

// TestHostileMemory has a guest, or the image of its memory, say what cannot be.
func TestHostileMemory(t *testing.T) {
	e, m := liarModule(t)
	if out, err := lie(t, e, m, honest()); err != nil || len(out) != 1 || len(out[0].Data) != 4 {
		t.Fatalf("what is so: %v, %v", out, err)
	}
	const far, most = 1<<32 - 4, 1<<32 - 1
	for name, change := range map[string]map[uint32]uint32{
		"more inputs than there can be":  {16: most},
		"more outputs":                   {20: most},
		"names far away":                 {24: far},
		"a name without an end":          {24: 65535, 65532: most},
		"memory far away":                {28: far},
		"no memory":                      {28: 0},
		"no session":                     {40: 0, 36: far},
		"an error without words":         {44: 1, 36: far},
		"an error of no kind":            {44: 1, 32: most},
		"an output of no type":           {48: 99},
		"an output of a type without":    {48: 0},
		"elements far away":              {52: far},
		"dimensions far away":            {56: far},
		"more dimensions than there are": {60: most},
		"a negative dimension":           {320: most},
		"a huge dimension":               {320: 1<<31 - 1},
		"a product that overflows":       {60: 4, 320: 1<<31 - 1, 324: 1<<31 - 1, 328: 1<<31 - 1, 332: 1<<31 - 1},
		"strings far away":               {48: 8, 300: far},
		"strings backwards":              {48: 8, 320: 2, 300: 500, 304: 400},
		"strings beyond the end":         {48: 8, 320: 2, 300: 500, 304: most},
		"a million strings":              {48: 8, 320: 1 << 20},
	} {
		says := honest()
		for at, v := range change {
			says[at] = v
		}
		began := time.Now()
		out, err := lie(t, e, m, says)
		if err == nil {
			t.Errorf("%s: %v", name, out)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
	says := honest()
	for at, v := range map[uint32]uint32{48: 8, 300: 500, 500: 'o' | 'k'<<8} {
		says[at] = v
	}
	if out, err := lie(t, e, m, says); err != nil || string(out[0].Data) != "\x02\x00\x00\x00ok" {
		t.Errorf("a string: %v, %v", out, err)
	}
}

// FuzzHostileMemory has a guest say anything.
func FuzzHostileMemory(f *testing.F) {
	e, m := liarModule(f)
	f.Add([]byte{})
	f.Add([]byte{32, 8, 0, 0, 0})
	f.Fuzz(func(t *testing.T, changes []byte) {
		says := honest()
		for ; len(changes) >= 5; changes = changes[5:] {
			at := 16 + uint32(changes[0])*4
			says[at] = uint32(changes[1]) | uint32(changes[2])<<8 | uint32(changes[3])<<16 | uint32(changes[4])<<24
		}
		out, err := lie(t, e, m, says)
		if err != nil {
			return
		}
		for i := range out {
			if err := out[i].Check(); err != nil {
				t.Fatalf("%v: %v", out[i], err)
			}
		}
	})
}
