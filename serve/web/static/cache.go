package static

import (
	"container/list"
	"sync"

	"github.com/wherry-run/wherry/runtime"
)

// content are the bytes of a file, or what became of them when they were packed. It is
// used between the cache's get and release.
type content struct {
	key  string // names what it holds
	etag string // quoted
	size int64
	// data are its bytes, where they are in memory or mapped; else file has them.
	data []byte
	// file is open as long as the content is used; nil when data is a copy.
	file *runtime.File
	held int64 // bytes of memory that it takes

	users int
	gone  bool // out of the cache
	at    *list.Element
}

// cache keeps contents by their keys: those that were used last, within bounds.
type cache struct {
	most int64

	mu     sync.Mutex
	by     map[string]*content
	order  *list.List // of *content, the last used first
	held   int64
	making map[string]*making
}

// making is a content that somebody makes, and others wait for.
type making struct {
	done chan struct{}
	c    *content
	err  error
}

// maxContents bounds the files that are kept open.
const maxContents = 1024

func newCache(most int64) *cache {
	return &cache{most: most, by: map[string]*content{}, order: list.New(), making: map[string]*making{}}
}

// get gives the content of a key, made by open when it is not there. Release it.
func (k *cache) get(key string, open func() (*content, error)) (*content, error) {
	k.mu.Lock()
	for {
		if c := k.by[key]; c != nil {
			c.users++
			k.order.MoveToFront(c.at)
			k.mu.Unlock()
			return c, nil
		}
		other := k.making[key]
		if other == nil {
			break
		}
		k.mu.Unlock()
		<-other.done
		if other.err != nil {
			return nil, other.err
		}
		k.mu.Lock()
	}
	own := &making{done: make(chan struct{})}
	k.making[key] = own
	k.mu.Unlock()
	own.c, own.err = open()
	k.mu.Lock()
	delete(k.making, key)
	if own.err == nil {
		k.put(key, own.c)
	}
	ended := k.shrink()
	k.mu.Unlock()
	close(own.done)
	closeAll(ended)
	return own.c, own.err
}

// put takes a content in. The caller has the lock, and uses the content.
func (k *cache) put(key string, c *content) {
	c.key, c.users = key, 1
	c.at = k.order.PushFront(c)
	k.by[key] = c
	k.held += c.held
}

// shrink lets go of what was not used longest, and gives the files that are to be
// closed. The caller has the lock.
func (k *cache) shrink() (ended []*runtime.File) {
	for k.order.Len() > 1 && (k.held > k.most || k.order.Len() > maxContents) {
		c := k.order.Back().Value.(*content)
		k.order.Remove(c.at)
		delete(k.by, c.key)
		k.held -= c.held
		c.gone = true
		if c.users == 0 && c.file != nil {
			ended = append(ended, c.file)
		}
	}
	return ended
}

// release gives back what get gave.
func (k *cache) release(c *content) {
	k.mu.Lock()
	c.users--
	last := c.users == 0 && c.gone && c.file != nil
	k.mu.Unlock()
	if last {
		_ = c.file.Close() // it was read only
	}
}

// close lets go of everything that nobody uses.
func (k *cache) close() error {
	k.mu.Lock()
	most := k.most
	k.most = -1
	var ended []*runtime.File
	for _, c := range k.by {
		c.gone = true
		if c.users == 0 && c.file != nil {
			ended = append(ended, c.file)
		}
	}
	clear(k.by)
	k.order.Init()
	k.held, k.most = 0, most
	k.mu.Unlock()
	closeAll(ended)
	return nil
}

func closeAll(files []*runtime.File) {
	for _, f := range files {
		_ = f.Close() // it was read only
	}
}
