package dtab

import (
	"encoding/json"
	"strings"
)

// Prefix tells which paths an entry applies to.
type Prefix []PrefixElem

// PrefixElem is one element of a prefix: a label, or "*" for any.
type PrefixElem struct {
	Label string
	Any   bool
}

// String shows the prefix as ParsePath's counterpart reads it.
func (p Prefix) String() string {
	shown := make([]string, len(p))
	for i, elem := range p {
		if elem.Any {
			shown[i] = "*"
		} else {
			shown[i] = showElem(elem.Label)
		}
	}
	return "/" + strings.Join(shown, "/")
}

// Matches reports whether the prefix covers the first elements of the path.
func (p Prefix) Matches(path Path) bool {
	if len(path) < len(p) {
		return false
	}
	for i, elem := range p {
		if !elem.Any && elem.Label != path[i] {
			return false
		}
	}
	return true
}

// Dentry is one entry of a table: paths under Prefix are rewritten to Dst.
type Dentry struct {
	Prefix Prefix
	Dst    Tree[Path]
}

// String shows the entry as "prefix=>tree".
func (d Dentry) String() string { return d.Prefix.String() + "=>" + Show(d.Dst) }

type jsonDentry struct {
	Prefix string `json:"prefix"`
	Dst    string `json:"dst"`
}

// MarshalJSON writes {"prefix": …, "dst": …} with both in their canonical text.
func (d Dentry) MarshalJSON() ([]byte, error) {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // or "&" would become \u0026
	err := encoder.Encode(jsonDentry{d.Prefix.String(), Show(d.Dst)})
	return []byte(out.String()), err
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Dentry) UnmarshalJSON(data []byte) error {
	var texts jsonDentry
	if err := json.Unmarshal(data, &texts); err != nil {
		return err
	}
	prefix, err := parseAll(texts.Prefix, (*parser).prefix)
	if err != nil {
		return err
	}
	dst, err := ParseTree(texts.Dst)
	*d = Dentry{prefix, dst}
	return err
}

// Dtab is a delegation table; later entries win.
type Dtab []Dentry

// Parse reads a table such as "/svc => /host ; /host => /srv".
func Parse(text string) (Dtab, error) {
	return parseAll(text, (*parser).dtab)
}

// String shows the canonical text of the table.
func (t Dtab) String() string {
	shown := make([]string, len(t))
	for i, dentry := range t {
		shown[i] = dentry.String()
	}
	return strings.Join(shown, ";")
}

// Match is an entry that applies to a path, and what the path becomes by it.
type Match struct {
	Dentry *Dentry
	Tree   Tree[Path]
}

// Matches returns the entries that apply to a path, the winning one first.
func (t Dtab) Matches(path Path) []Match {
	var matches []Match
	for i := len(t) - 1; i >= 0; i-- {
		dentry := &t[i]
		if !dentry.Prefix.Matches(path) {
			continue
		}
		suffix := path[len(dentry.Prefix):]
		join := func(start Path) Path { return start.Join(suffix...) }
		matches = append(matches, Match{dentry, Map(dentry.Dst, join)})
	}
	return matches
}

// Lookup rewrites a path by all entries that apply to it; Neg when none does.
func (t Dtab) Lookup(path Path) Tree[Path] {
	matches := t.Matches(path)
	switch len(matches) {
	case 0:
		return Tree[Path]{Kind: Neg}
	case 1:
		return matches[0].Tree
	}
	alt := Tree[Path]{Kind: Alt}
	for _, match := range matches {
		alt.Alt = append(alt.Alt, match.Tree)
	}
	return alt
}
