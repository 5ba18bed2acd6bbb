package shell

import (
	"fmt"
	"strconv"
	"strings"
)

// sedParser reads a program of sed.
type sedParser struct {
	text     string
	at       int
	extended bool
}

func (p *sedParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *sedParser) skip(chars string) {
	for p.at < len(p.text) && strings.IndexByte(chars, p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *sedParser) fail(what string) error {
	return usageError(fmt.Sprintf("script, character %d: %s", p.at+1, what))
}

func (p *sedParser) block(depth int) ([]*sedCommand, error) {
	if depth > 50 {
		return nil, p.fail("blocks too deep")
	}
	var list []*sedCommand
	for {
		p.skip(" \t\n;")
		if p.at >= len(p.text) {
			if depth > 0 {
				return nil, p.fail("missing }")
			}
			return list, nil
		}
		if p.peek() == '#' {
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
			continue
		}
		if p.peek() == '}' && depth > 0 {
			p.at++
			return list, nil
		}
		s, err := p.command(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
}

func (p *sedParser) command(depth int) (*sedCommand, error) {
	s := &sedCommand{}
	var err error
	if s.from, err = p.address(); err != nil {
		return nil, err
	}
	if s.from != nil && p.peek() == ',' {
		p.at++
		p.skip(" ")
		if s.to, err = p.address(); err != nil || s.to == nil {
			return nil, p.fail("missing second address")
		}
	}
	p.skip(" \t")
	for p.peek() == '!' {
		s.negate = true
		p.at++
		p.skip(" \t")
	}
	s.name = p.peek()
	p.at++
	switch s.name {
	case '{':
		s.block, err = p.block(depth + 1)
	case 's':
		err = p.substitution(s)
	case 'y':
		err = p.transliteration(s)
	case 'd', 'p', 'q', '=', 'n':
	case 'a', 'i', 'c':
		p.skip(" \t")
		if p.peek() == '\\' {
			p.at++
			p.skip(" \t")
			if p.peek() == '\n' {
				p.at++
			}
		}
		end := strings.IndexByte(p.text[p.at:], '\n')
		if end < 0 {
			end = len(p.text) - p.at
		}
		s.text = p.text[p.at : p.at+end]
		p.at += end
	default:
		p.at--
		err = p.fail(fmt.Sprintf("unknown command %q (Wherry's sed knows s y d p q n a i c = and blocks)", s.name))
	}
	return s, err
}

func (p *sedParser) number() (int, bool) {
	start := p.at
	for p.peek() >= '0' && p.peek() <= '9' {
		p.at++
	}
	n, err := strconv.Atoi(p.text[start:p.at])
	return n, err == nil
}

func (p *sedParser) address() (*address, error) {
	switch ch := p.peek(); {
	case ch == '$':
		p.at++
		return &address{last: true}, nil
	case ch == '+':
		p.at++
		n, ok := p.number()
		if !ok {
			return nil, p.fail("missing number after +")
		}
		return &address{plus: n}, nil
	case ch >= '0' && ch <= '9':
		n, _ := p.number()
		a := &address{line: n}
		if p.peek() == '~' {
			p.at++
			a.step, _ = p.number()
		}
		return a, nil
	case ch == '/' || ch == '\\':
		if ch == '\\' {
			p.at++
		}
		pattern, err := p.delimited(p.peek())
		if err != nil {
			return nil, err
		}
		fold := p.peek() == 'I'
		if fold {
			p.at++
		}
		re, err := compile(pattern, "", p.extended, fold)
		return &address{re: re}, err
	}
	return nil, nil
}

// delimited reads up to the next unescaped delimiter; p is at the first one.
func (p *sedParser) delimited(delimiter byte) (string, error) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch ch := p.text[p.at]; {
		case ch == delimiter:
			p.at++
			return b.String(), nil
		case ch == '\\' && p.at+1 < len(p.text):
			p.at++
			if p.text[p.at] != delimiter {
				b.WriteByte('\\')
			}
			b.WriteByte(p.text[p.at])
		default:
			b.WriteByte(ch)
		}
	}
	return "", p.fail("missing " + strconv.QuoteRune(rune(delimiter)))
}

func (p *sedParser) substitution(s *sedCommand) error {
	delimiter := p.peek()
	if delimiter == 0 || delimiter == '\n' {
		return p.fail("missing pattern")
	}
	pattern, err := p.delimited(delimiter)
	if err != nil {
		return err
	}
	p.at--
	if s.text, err = p.delimited(delimiter); err != nil {
		return err
	}
	fold := false
	for s.nth = 1; ; p.at++ {
		switch ch := p.peek(); {
		case ch == 'g':
			s.global = true
		case ch == 'p':
			s.print = true
		case ch == 'i' || ch == 'I':
			fold = true
		case ch >= '1' && ch <= '9':
			s.nth, _ = p.number()
			p.at--
		case ch == 0 || strings.IndexByte(" \t\n;}", ch) >= 0:
			s.re, err = compile(pattern, "", p.extended, fold)
			return err
		default:
			return p.fail(fmt.Sprintf("unknown flag %q", ch))
		}
	}
}

func (p *sedParser) transliteration(s *sedCommand) error {
	delimiter := p.peek()
	if delimiter == 0 {
		return p.fail("missing characters")
	}
	from, err := p.delimited(delimiter)
	if err != nil {
		return err
	}
	p.at--
	to, err := p.delimited(delimiter)
	if err != nil {
		return err
	}
	a, b := []rune(from), []rune(to)
	if len(a) != len(b) {
		return p.fail("both parts of y must be of one length")
	}
	s.mapping = map[rune]rune{}
	for i := range a {
		s.mapping[a[i]] = b[i]
	}
	return nil
}
