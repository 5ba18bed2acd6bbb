package hub

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Users tells whether a name and a password belong together.
type Users interface {
	Check(ctx context.Context, user, password string) (bool, error)
}

const challenge = `Basic realm="wherry registry", charset="UTF-8"`

// authenticate holds that a request comes from a user, where there are any.
func (h *Hub) authenticate(r *http.Request) error {
	if h.users == nil {
		return nil
	}
	no := refuse(http.StatusUnauthorized, codeUnauthorized, "a user and a password are needed: log in").with("WWW-Authenticate", challenge)
	user, password, ok := r.BasicAuth()
	if !ok {
		return no
	}
	known, err := h.users.Check(r.Context(), user, password)
	if err == nil && !known {
		return no
	}
	return err
}

// Bounds on a file of passwords and on what is typed.
const (
	maxPasswordFile = 4 << 20
	maxPassword     = 72 // of bcrypt
	maxUser         = 255
	maxCost         = 16 // seconds; more would be for refusing service
	maxKnown        = 1024
	maxWaiting      = 64
)

// Passwords are the users of a file as htpasswd -B writes it. The file may change.
type Passwords struct {
	file  string
	trial chan struct{} // a place for each password that is tried: it takes long, by design
	queue chan struct{} // and for each that waits
	key   []byte
	dummy []byte // tried for users that there are not, so that nobody hears the difference

	mu     sync.Mutex
	users  map[string][]byte
	stat   os.FileInfo
	looked time.Time
	known  map[[sha256.Size]byte]bool // passwords that were right
}

// OpenPasswords reads a file of htpasswd with bcrypt.
func OpenPasswords(file string) (*Passwords, error) {
	p := &Passwords{
		file: file, key: make([]byte, 32), trial: make(chan struct{}, max(runtime.GOMAXPROCS(0)/2, 1)), queue: make(chan struct{}, maxWaiting),
	}
	_, _ = rand.Read(p.key) // it never fails
	var err error
	if p.dummy, err = bcrypt.GenerateFromPassword([]byte("nobody"), bcrypt.DefaultCost); err != nil {
		return nil, fmt.Errorf("open passwords: %w", err)
	}
	return p, p.reload()
}

// reload reads the file. What was known before is known no more.
func (p *Passwords) reload() error {
	f, err := os.Open(p.file)
	if err != nil {
		return fmt.Errorf("open passwords: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open passwords: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	if err != nil {
		return fmt.Errorf("read passwords: %w", err)
	}
	users, err := parsePasswords(data)
	if err != nil {
		return fmt.Errorf("read passwords %s: %w", p.file, err)
	}
	p.users, p.stat, p.known, p.looked = users, stat, map[[sha256.Size]byte]bool{}, time.Now()
	return nil
}

// parsePasswords reads lines of user:hash; empty ones and those that begin with # are
// nothing.
func parsePasswords(data []byte) (map[string][]byte, error) {
	if len(data) > maxPasswordFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxPasswordFile)
	}
	users := map[string][]byte{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		user, hash, ok := strings.Cut(line, ":")
		if !ok || user == "" || len(user) > maxUser {
			return nil, fmt.Errorf("line %d is not a user, a colon and a hash", n)
		}
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil {
			return nil, fmt.Errorf("line %d: the hash is not of bcrypt: make it with htpasswd -B", n)
		}
		if cost > maxCost {
			return nil, fmt.Errorf("line %d: the cost of the hash is %d, more than %d", n, cost, maxCost)
		}
		users[user] = []byte(hash)
	}
	return users, lines.Err()
}

// fresh reads the file again when it has changed. One that cannot be read any more lets
// nobody in.
func (p *Passwords) fresh() error {
	if time.Since(p.looked) < time.Second {
		return nil
	}
	stat, err := os.Stat(p.file)
	if err != nil {
		return fmt.Errorf("look at passwords: %w", err)
	}
	p.looked = time.Now()
	if stat.ModTime().Equal(p.stat.ModTime()) && stat.Size() == p.stat.Size() && os.SameFile(stat, p.stat) {
		return nil
	}
	return p.reload()
}

// Check implements Users.
func (p *Passwords) Check(ctx context.Context, user, password string) (bool, error) {
	if len(user) > maxUser || len(password) > maxPassword {
		return false, nil
	}
	p.mu.Lock()
	err := p.fresh()
	hash, known := p.users[user], p.known
	sum := p.sum(user, password, hash)
	right := known[sum]
	p.mu.Unlock()
	if err != nil || right {
		return right && err == nil, err
	}
	if hash == nil {
		hash = p.dummy
	}
	ok, err := p.try(ctx, hash, password)
	if err != nil || !ok || &hash[0] == &p.dummy[0] {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known)
	}
	p.known[sum] = true // bound to the hash: a changed file makes another
	return true, nil
}

// sum is what is remembered of a password that was right.
func (p *Passwords) sum(user, password string, hash []byte) [sha256.Size]byte {
	h := hmac.New(sha256.New, p.key)
	fmt.Fprintf(h, "%d:%s%d:%s%s", len(user), user, len(password), password, hash)
	return [sha256.Size]byte(h.Sum(nil))
}

// try tries one password, a few at a time: who guesses takes no more of the machine.
func (p *Passwords) try(ctx context.Context, hash []byte, password string) (bool, error) {
	select {
	case p.queue <- struct{}{}:
		defer func() { <-p.queue }()
	default:
		return false, later(5, "too many log in at once")
	}
	select {
	case p.trial <- struct{}{}:
		defer func() { <-p.trial }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	return err == nil, err
}
