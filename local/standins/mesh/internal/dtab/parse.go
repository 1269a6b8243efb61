package dtab

import (
	"fmt"
	"strconv"
	"unicode"
)

// endOfInput is what peek gives behind the last character.
const endOfInput = rune(0xFFFF)

// parser reads by recursive descent, one character ahead. A mistake ends it by a panic with a
// syntaxError, which parseAll turns into an error.
type parser struct {
	text []rune
	at   int
}

type syntaxError string

func (e syntaxError) Error() string { return string(e) }

// parseAll reads the whole text by one rule.
func parseAll[T any](text string, rule func(*parser) T) (result T, err error) {
	p := &parser{text: []rune(text)}
	defer func() {
		if mistake, ok := recover().(syntaxError); ok {
			err = mistake
		}
	}()
	result = rule(p)
	p.skipSpace()
	if !p.atEnd() {
		p.fail(quote(endOfInput), p.peek())
	}
	return result, nil
}

func (p *parser) atEnd() bool { return p.at >= len(p.text) }

func (p *parser) peek() rune {
	if p.atEnd() {
		return endOfInput
	}
	return p.text[p.at]
}

func quote(c rune) string {
	if c == endOfInput {
		return "end of input"
	}
	return "'" + string(c) + "'"
}

// fail ends the reading; the place it had come to is shown in brackets.
func (p *parser) fail(expected string, found rune) {
	shown := string(p.text) + "[]"
	if !p.atEnd() {
		shown = fmt.Sprintf("%s[%c]%s", string(p.text[:p.at]), p.text[p.at], string(p.text[p.at+1:]))
	}
	panic(syntaxError(fmt.Sprintf("%s expected but %s found at '%s'", expected, quote(found), shown)))
}

func (p *parser) maybe(c rune) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) eat(c rune) {
	if !p.maybe(c) {
		p.fail(quote(c), p.peek())
	}
}

// skipSpace passes over white space and comments, which run from '#' to the end of the line.
func (p *parser) skipSpace() {
	for !p.atEnd() {
		switch c := p.peek(); {
		case c == '#':
			for !p.atEnd() && p.peek() != '\n' {
				p.at++
			}
		case isSpace(c):
			p.at++
		default:
			return
		}
	}
}

// isSpace is Java's Character.isWhitespace: no-break spaces are none.
func isSpace(c rune) bool {
	switch {
	case c >= '\t' && c <= '\r', c >= 0x1c && c <= ' ':
		return true
	case c == 0xa0, c == 0x2007, c == 0x202f, c == 0x85:
		return false
	}
	return unicode.In(c, unicode.Zs, unicode.Zl, unicode.Zp)
}

func isLabelChar(c rune) bool { return showable(c) || c == '\\' }

func (p *parser) label() string {
	var label []byte
	for {
		switch c := p.peek(); {
		case showable(c):
			p.at++
			label = append(label, byte(c))
		case c == '\\':
			p.at++
			p.eat('x')
			high := p.hexDigit()
			label = append(label, high<<4|p.hexDigit())
		default:
			p.fail("label char", c)
		}
		if !isLabelChar(p.peek()) {
			return string(label)
		}
	}
}

func (p *parser) hexDigit() byte {
	c := p.peek()
	value, err := strconv.ParseUint(string(c), 16, 8)
	if err != nil {
		p.fail("hex char", c)
	}
	p.at++
	return byte(value)
}

func (p *parser) path() Path {
	p.skipSpace()
	p.eat('/')
	path := Path{}
	if !isLabelChar(p.peek()) {
		return path
	}
	for {
		path = append(path, p.label())
		if !p.maybe('/') {
			return path
		}
	}
}

func (p *parser) prefix() Prefix {
	p.skipSpace()
	p.eat('/')
	prefix := Prefix{}
	if c := p.peek(); !isLabelChar(c) && c != '*' {
		return prefix
	}
	for {
		if p.maybe('*') {
			prefix = append(prefix, PrefixElem{Any: true})
		} else {
			prefix = append(prefix, PrefixElem{Label: p.label()})
		}
		if !p.maybe('/') {
			return prefix
		}
	}
}

func (p *parser) tree() Tree[Path] {
	var branches []Tree[Path]
	for {
		branches = append(branches, p.union())
		p.skipSpace()
		if !p.maybe('|') {
			break
		}
	}
	if len(branches) == 1 {
		return branches[0]
	}
	return Tree[Path]{Kind: Alt, Alt: branches}
}

func (p *parser) union() Tree[Path] {
	var branches []Weighted[Path]
	for {
		branches = append(branches, p.weighted())
		p.skipSpace()
		if !p.maybe('&') {
			break
		}
	}
	if len(branches) == 1 {
		return branches[0].Tree
	}
	return Tree[Path]{Kind: Union, Union: branches}
}

func (p *parser) weighted() Weighted[Path] {
	p.skipSpace()
	weight := DefaultWeight
	if isNumberChar(p.peek()) {
		weight = p.number()
		p.skipSpace()
		p.eat('*')
		p.skipSpace()
	}
	return Weighted[Path]{weight, p.simple()}
}

func isNumberChar(c rune) bool { return unicode.IsDigit(c) || c == '.' }

func (p *parser) number() float64 {
	start, seenDot := p.at, false
	for isNumberChar(p.peek()) {
		if p.peek() == '.' {
			if seenDot {
				p.fail("number char", '.')
			}
			seenDot = true
		}
		p.at++
	}
	digits := string(p.text[start:p.at])
	if digits == "." {
		p.fail("weight", '.')
	}
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil && err.(*strconv.NumError).Err != strconv.ErrRange {
		panic(syntaxError(fmt.Sprintf("For input string: %q", digits)))
	}
	return value
}

func (p *parser) simple() Tree[Path] {
	p.skipSpace()
	switch c := p.peek(); c {
	case '(':
		p.at++
		tree := p.tree()
		p.skipSpace()
		p.eat(')')
		return tree
	case '/':
		return LeafOf(p.path())
	case '!':
		p.at++
		return Tree[Path]{Kind: Fail}
	case '~':
		p.at++
		return Tree[Path]{Kind: Neg}
	case '$':
		p.at++
		return Tree[Path]{Kind: Empty}
	default:
		p.fail("simple", c)
		panic("unreachable")
	}
}

func (p *parser) dentry() Dentry {
	prefix := p.prefix()
	p.skipSpace()
	p.eat('=')
	p.eat('>')
	return Dentry{Prefix: prefix, Dst: p.tree()}
}

func (p *parser) dtab() Dtab {
	dtab := Dtab{}
	for {
		p.skipSpace()
		if !p.atEnd() {
			dtab = append(dtab, p.dentry())
			p.skipSpace()
		}
		if !p.maybe(';') {
			return dtab
		}
	}
}
