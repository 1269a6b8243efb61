package dtab

import (
	"math"
	"strconv"
	"strings"
)

// Kind tells what a name tree is.
type Kind int

// The kinds of name trees.
const (
	Leaf  Kind = iota // a name
	Alt               // the first branch that is not Neg
	Union             // one of the branches, drawn by weight
	Fail              // "!": stops an Alt, dropped from a Union
	Neg               // "~": nothing here, try the next
	Empty             // "$": here, and inhabited by nobody
)

// Tree is a name tree with leaves of type T. Which fields count depends on Kind.
type Tree[T any] struct {
	Kind  Kind
	Leaf  T
	Alt   []Tree[T]
	Union []Weighted[T]
}

// Weighted is a branch of a Union.
type Weighted[T any] struct {
	Weight float64
	Tree   Tree[T]
}

// DefaultWeight is that of a branch without one; it is never shown.
const DefaultWeight = 1.0

// LeafOf makes a tree of one name.
func LeafOf[T any](value T) Tree[T] { return Tree[T]{Kind: Leaf, Leaf: value} }

// Map rewrites the leaves of a tree.
func Map[T, U any](tree Tree[T], f func(T) U) Tree[U] {
	out := Tree[U]{Kind: tree.Kind}
	switch tree.Kind {
	case Leaf:
		out.Leaf = f(tree.Leaf)
	case Alt:
		for _, branch := range tree.Alt {
			out.Alt = append(out.Alt, Map(branch, f))
		}
	case Union:
		for _, branch := range tree.Union {
			out.Union = append(out.Union, Weighted[U]{branch.Weight, Map(branch.Tree, f)})
		}
	}
	return out
}

// Simplify drops what cannot be chosen: Neg and Fail from a Union, Neg from an Alt and all that
// follows a Fail there; a branch that is left alone takes its parent's place, whatever its weight
// (Finagle's NameTree.simplify).
func (t Tree[T]) Simplify() Tree[T] {
	switch t.Kind {
	case Alt:
		return simplifyAlt(t.Alt)
	case Union:
		return simplifyUnion(t.Union)
	}
	return t
}

func simplifyAlt[T any](branches []Tree[T]) Tree[T] {
	if len(branches) == 1 {
		return branches[0].Simplify()
	}
	var kept []Tree[T]
	for _, branch := range branches {
		branch = branch.Simplify()
		if branch.Kind != Neg {
			kept = append(kept, branch)
		}
		if branch.Kind == Fail {
			break
		}
	}
	switch len(kept) {
	case 0:
		return Tree[T]{Kind: Neg}
	case 1:
		return kept[0]
	}
	return Tree[T]{Kind: Alt, Alt: kept}
}

func simplifyUnion[T any](branches []Weighted[T]) Tree[T] {
	if len(branches) == 1 {
		return branches[0].Tree.Simplify()
	}
	var kept []Weighted[T]
	for _, branch := range branches {
		tree := branch.Tree.Simplify()
		if tree.Kind != Neg && tree.Kind != Fail {
			kept = append(kept, Weighted[T]{branch.Weight, tree})
		}
	}
	switch len(kept) {
	case 0:
		return Tree[T]{Kind: Neg}
	case 1:
		return kept[0].Tree
	}
	return Tree[T]{Kind: Union, Union: kept}
}

// ParseTree reads a name tree such as "3 * /b & 7 * /c | /d".
func ParseTree(text string) (Tree[Path], error) {
	return parseAll(text, (*parser).tree)
}

// Show gives the canonical text of a name tree: no needless parentheses, weights with two decimals,
// none where it is 1.
func Show(tree Tree[Path]) string {
	tree = unwrap(tree)
	if tree.Kind != Alt {
		return showBranch(tree)
	}
	shown := make([]string, len(tree.Alt))
	for i, branch := range tree.Alt {
		shown[i] = showBranch(branch)
	}
	return strings.Join(shown, " | ")
}

// showBranch shows a tree as it stands between "|".
func showBranch(tree Tree[Path]) string {
	tree = unwrap(tree)
	if tree.Kind != Union {
		return showSimple(tree)
	}
	shown := make([]string, len(tree.Union))
	for i, branch := range tree.Union {
		if branch.Weight != DefaultWeight {
			shown[i] = twoDecimals(branch.Weight) + "*"
		}
		shown[i] += showSimple(branch.Tree)
	}
	return strings.Join(shown, " & ")
}

// showSimple shows a tree as it stands between "&".
func showSimple(tree Tree[Path]) string {
	tree = unwrap(tree)
	switch tree.Kind {
	case Leaf:
		return tree.Leaf.String()
	case Fail:
		return "!"
	case Neg:
		return "~"
	case Empty:
		return "$"
	}
	return "(" + Show(tree) + ")"
}

// unwrap removes an Alt or Union around a single branch.
func unwrap(tree Tree[Path]) Tree[Path] {
	for {
		switch {
		case tree.Kind == Alt && len(tree.Alt) == 1:
			tree = tree.Alt[0]
		case tree.Kind == Union && len(tree.Union) == 1:
			tree = tree.Union[0].Tree
		default:
			return tree
		}
	}
}

// twoDecimals rounds as Java's "%.2f" does: half up, on the shortest decimal form of the number.
func twoDecimals(weight float64) string {
	if math.IsInf(weight, 0) {
		return "Infinity"
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(weight, 'f', -1, 64), ".")
	digits := []byte(whole + (fraction + "00")[:2])
	if len(fraction) > 2 && fraction[2] >= '5' {
		digits = increment(digits)
	}
	return string(digits[:len(digits)-2]) + "." + string(digits[len(digits)-2:])
}

// increment adds one to a number in decimal digits.
func increment(digits []byte) []byte {
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i] != '9' {
			digits[i]++
			return digits
		}
		digits[i] = '0'
	}
	return append([]byte{'1'}, digits...)
}
