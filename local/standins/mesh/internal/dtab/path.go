// Package dtab is Finagle's language of names: paths, name trees and delegation tables.
//
// Texts that the real parser takes are taken here with the same meaning, refused ones with the same
// message, and what is shown is shown alike (tests/data/dtab-samples.tsv).
package dtab

import (
	"fmt"
	"strings"
)

// Path names something in a hierarchy. Its elements are non-empty byte strings.
type Path []string

// ParsePath reads a path such as "/svc/world".
func ParsePath(text string) (Path, error) {
	return parseAll(text, (*parser).path)
}

// MustPath reads a path that is known to be right.
func MustPath(text string) Path {
	path, err := ParsePath(text)
	if err != nil {
		panic(err)
	}
	return path
}

// String shows the path so that ParsePath gives it back. An element with any byte that cannot stand
// for itself is shown in escaped bytes throughout.
func (p Path) String() string {
	var out strings.Builder
	out.WriteByte('/')
	for i, elem := range p {
		if i > 0 {
			out.WriteByte('/')
		}
		out.WriteString(showElem(elem))
	}
	return out.String()
}

// MarshalText makes a path a string in JSON.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Path) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePath(string(text))
	return err
}

// HasPrefix reports whether the first elements of p are those of prefix.
func (p Path) HasPrefix(prefix Path) bool {
	if len(p) < len(prefix) {
		return false
	}
	for i, elem := range prefix {
		if p[i] != elem {
			return false
		}
	}
	return true
}

// Join returns a new path of p followed by more elements.
func (p Path) Join(more ...string) Path {
	return append(append(make(Path, 0, len(p)+len(more)), p...), more...)
}

// showable reports whether a character stands for itself in a path (Finagle's Path.showableChars).
func showable(c rune) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' ||
		c < 0x80 && strings.IndexByte("_:.#$%-", byte(c)) >= 0
}

func showElem(elem string) string {
	plain := true
	for i := 0; i < len(elem); i++ {
		plain = plain && showable(rune(elem[i]))
	}
	if plain {
		return elem
	}
	var out strings.Builder
	for i := 0; i < len(elem); i++ {
		fmt.Fprintf(&out, `\x%02x`, elem[i])
	}
	return out.String()
}
