// Wordcount counts the words of its standard input, or of the files that it is
// given, and prints the most frequent ones.
package main

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
)

func main() {
	top := flag.Int("n", 10, "how many words to print")
	flag.Parse()
	if err := run(*top, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "wordcount:", err)
		os.Exit(1)
	}
}

func run(top int, files []string) error {
	counts := map[string]int{}
	if len(files) == 0 {
		if err := count(os.Stdin, counts); err != nil {
			return err
		}
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = count(f, counts)
		f.Close()
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	words := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for _, word := range words[:min(top, len(words))] {
		fmt.Printf("%7d %s\n", counts[word], word)
	}
	return nil
}

// count adds the words of r: letters and digits, in lower case.
func count(r io.Reader, counts map[string]int) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.FieldsFunc(lines.Text(), func(c rune) bool {
			return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '\''
		})
		for _, word := range words {
			counts[strings.ToLower(word)]++
		}
	}
	return lines.Err()
}
