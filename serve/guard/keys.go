package guard

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"github.com/wherry-run/wherry/serve/route"
)

// Bounds of keys. Shorter ones can be guessed.
const (
	leastKey    = 8
	mostKey     = 1024
	mostKeys    = 1024
	maxKeysFile = 1 << 20
)

// Keys are the API keys that a server takes. What is kept of a key is a digest,
// with which nothing can be done outside of this process.
type Keys struct {
	salt [32]byte
	set  atomic.Pointer[[]key]
	file *watched // nil: they do not change
	list []byte   // what stands besides those of the file
}

type key struct {
	digest [32]byte
	name   string
}

// ErrNoKeys is that of a file, or a variable, without any key: nobody could ask.
var ErrNoKeys = errors.New("there is no key in it")

// NewKeys takes the keys of a list with a comma between them, and of a file, "" for
// none: a key on each line, or a name and a key; # begins a comment. The file is
// read again when it changes; what is wrong with it then is logged, and the old keys
// hold. Both empty give nil: no keys are asked for.
func NewKeys(list, file string, log *slog.Logger) (*Keys, error) {
	if strings.TrimSpace(list) == "" && file == "" {
		return nil, nil
	}
	k := &Keys{list: []byte(strings.ReplaceAll(list, ",", "\n"))}
	if _, err := rand.Read(k.salt[:]); err != nil {
		return nil, fmt.Errorf("get random bytes: %w", err)
	}
	if file == "" {
		return k, k.read(nil)
	}
	w, err := watch(log, []string{file}, func() error {
		text, err := readBounded(file, maxKeysFile)
		if err != nil {
			return err
		}
		if err := k.read(text); err != nil {
			return fmt.Errorf("read API keys from %s: %w", file, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	k.file = w
	return k, nil
}

// read takes the keys of a file's text besides those of the list.
func (k *Keys) read(text []byte) error {
	var set []key
	for _, source := range [][]byte{k.list, text} {
		lines := bufio.NewScanner(bytes.NewReader(source))
		for number := 1; lines.Scan(); number++ {
			line, _, _ := strings.Cut(lines.Text(), "#")
			words := strings.Fields(line)
			if len(words) == 0 {
				continue
			}
			if len(words) > 2 {
				return fmt.Errorf("line %d has %d words; write a key, or a name and a key", number, len(words))
			}
			secret := words[len(words)-1]
			if len(secret) < leastKey || len(secret) > mostKey {
				return fmt.Errorf("the key of line %d has %d characters; %d to %d are taken", number, len(secret), leastKey, mostKey)
			}
			name := fmt.Sprintf("key-%d", len(set)+1)
			if len(words) == 2 {
				name = words[0]
			}
			if len(set) == mostKeys {
				return fmt.Errorf("there are more than %d keys", mostKeys)
			}
			set = append(set, key{k.digest(secret), name})
		}
		if err := lines.Err(); err != nil {
			return err
		}
	}
	if len(set) == 0 {
		return ErrNoKeys
	}
	k.set.Store(&set)
	return nil
}

func (k *Keys) digest(secret string) [32]byte {
	var b [32 + mostKey]byte
	copy(b[:], k.salt[:])
	return sha256.Sum256(b[:32+copy(b[32:], secret)])
}

// Again reads the file of the keys at once, if there is one.
func (k *Keys) Again() {
	if k != nil && k.file != nil {
		k.file.again()
	}
}

// Name gives the name of the key that a request carries: authorization as in the
// header of this name ("Bearer KEY"), else apiKey, of x-api-key. It takes the same
// time for every wrong key.
func (k *Keys) Name(authorization, apiKey string) (name string, ok bool) {
	if k.file != nil {
		k.file.look()
	}
	secret := apiKey
	if scheme, rest, found := strings.Cut(authorization, " "); found && strings.EqualFold(scheme, "Bearer") {
		secret = strings.TrimSpace(rest)
	}
	if len(secret) < leastKey || len(secret) > mostKey {
		return "", false
	}
	digest := k.digest(secret)
	for _, one := range *k.set.Load() {
		if subtle.ConstantTimeCompare(one.digest[:], digest[:]) == 1 {
			name, ok = one.name, true
		}
	}
	return name, ok
}

// keys lets through who has a key, and what is open.
func (c *Config) keys(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := c.Keys.Name(route.First(r.Header, "Authorization"), route.First(r.Header, "X-Api-Key"))
		if ok {
			Of(r.Context()).Key = name
		} else if c.Open == nil || !c.Open(r) {
			w.Header()["Www-Authenticate"] = []string{`Bearer realm="wherry"`}
			c.Refuse(w, r, http.StatusUnauthorized, "this server needs an API key: send it as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readBounded reads a file that is not to be large.
func readBounded(name string, most int64) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.IsDir() || st.Size() > most {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", name, most)
	}
	return os.ReadFile(name)
}
