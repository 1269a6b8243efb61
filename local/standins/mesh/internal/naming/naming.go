// Package naming binds names by delegation tables and namers, as Finagle and linkerd do.
package naming

import (
	"errors"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
)

// Address is one endpoint.
type Address struct {
	IP   string         `json:"ip"`
	Port int            `json:"port"`
	Meta map[string]any `json:"meta"`
}

// Addr is what a bound name stands for: a set of endpoints (Bound), nothing (neither), or a cause.
type Addr struct {
	Bound  bool
	Addrs  []Address
	Failed string
}

// Bound is a name at the end of all delegation.
type Bound struct {
	ID       dtab.Path
	Residual dtab.Path // what of the path was left over
	Addr     func(*live.Reads) (Addr, bool)
}

// Name is a bound name, or a path that is to be looked up further.
type Name struct {
	Path  dtab.Path
	Bound *Bound
}

// Namer looks up names. Its second result is false while the answer is not known yet.
type Namer interface {
	Lookup(reads *live.Reads, path dtab.Path) (dtab.Tree[Name], bool, error)
}

// Mounted is a namer and the prefix that it serves.
type Mounted struct {
	Prefix dtab.Path
	Namer  Namer
}

// Interpreter binds names by tables and the namers it has.
type Interpreter struct {
	Namers []Mounted
}

// maxDepth is how many lookups may follow each other on one way down.
const maxDepth = 100

// maxLookups bounds one binding as a whole. The real program has no such bound: there a table that
// refers to itself twice in one entry doubles the work at each step down.
const maxLookups = 100_000

// errTooDeep is Finagle's own words.
var errTooDeep = errors.New("Max recursion level reached.")

// binding is one pass over a name.
type binding struct {
	interpreter *Interpreter
	reads       *live.Reads
	table       dtab.Dtab
	lookups     int
}

var neg = dtab.Tree[Name]{Kind: dtab.Neg}

// fromPaths makes names of paths.
func fromPaths(tree dtab.Tree[dtab.Path]) dtab.Tree[Name] {
	return dtab.Map(tree, func(path dtab.Path) Name { return Name{Path: path} })
}

// Bind follows a path to bound names. The tree has no Alt, and what cannot be reached is left out.
func (in *Interpreter) Bind(
	reads *live.Reads, table dtab.Dtab, path dtab.Path,
) (dtab.Tree[Bound], bool, error) {
	b := &binding{interpreter: in, reads: reads, table: table}
	return b.bind(dtab.LeafOf(Name{Path: path}), 0)
}

func (b *binding) bind(tree dtab.Tree[Name], depth int) (dtab.Tree[Bound], bool, error) {
	switch tree.Kind {
	case dtab.Leaf:
		return b.bindLeaf(tree.Leaf, depth)
	case dtab.Alt:
		return b.bindAlt(tree.Alt, depth)
	case dtab.Union:
		return b.bindUnion(tree.Union, depth)
	}
	return dtab.Tree[Bound]{Kind: tree.Kind}, true, nil
}

func (b *binding) bindLeaf(name Name, depth int) (dtab.Tree[Bound], bool, error) {
	if name.Bound != nil {
		return dtab.LeafOf(*name.Bound), true, nil
	}
	tree, known, err := b.step(name.Path, depth)
	if err != nil || !known {
		return dtab.Tree[Bound]{}, false, err
	}
	return b.bind(tree, depth+1)
}

// bindAlt takes the first branch that is not Neg; a Fail ends the search.
func (b *binding) bindAlt(branches []dtab.Tree[Name], depth int) (dtab.Tree[Bound], bool, error) {
	for _, branch := range branches {
		bound, known, err := b.bind(branch, depth)
		if err != nil || !known || bound.Kind != dtab.Neg {
			return bound, known, err
		}
	}
	return dtab.Tree[Bound]{Kind: dtab.Neg}, true, nil
}

// bindUnion binds all branches, so that what has to be asked for is asked for at once.
func (b *binding) bindUnion(
	branches []dtab.Weighted[Name], depth int,
) (dtab.Tree[Bound], bool, error) {
	union, allKnown := dtab.Tree[Bound]{Kind: dtab.Union}, true
	for _, branch := range branches {
		bound, known, err := b.bind(branch.Tree, depth)
		if err != nil {
			return union, false, err
		}
		allKnown = allKnown && known
		union.Union = append(union.Union, dtab.Weighted[Bound]{Weight: branch.Weight, Tree: bound})
	}
	return union.Simplify(), allKnown, nil
}

// step looks a path up in the table, then with the namers.
func (b *binding) step(path dtab.Path, depth int) (dtab.Tree[Name], bool, error) {
	b.lookups++
	if depth > maxDepth || b.lookups > maxLookups {
		return neg, false, errTooDeep
	}
	if tree := b.table.Lookup(path); tree.Kind != dtab.Neg {
		return fromPaths(tree), true, nil
	}
	return b.interpreter.lookup(b.reads, path)
}

// lookup asks the namers that serve a path, then the ones that Finagle always has.
func (in *Interpreter) lookup(
	reads *live.Reads, path dtab.Path,
) (dtab.Tree[Name], bool, error) {
	for _, mounted := range in.Namers {
		if !path.HasPrefix(mounted.Prefix) {
			continue
		}
		tree, known, err := mounted.Namer.Lookup(reads, path[len(mounted.Prefix):])
		if err != nil || !known || tree.Kind != dtab.Neg {
			return tree, known, err
		}
	}
	return lookupGlobal(reads, path)
}

// Addr gives the endpoints of a bound name's ID.
func (in *Interpreter) Addr(reads *live.Reads, id dtab.Path) (Addr, bool, error) {
	b := &binding{interpreter: in, reads: reads}
	tree, known, err := b.bind(dtab.LeafOf(Name{Path: id}), 0)
	if err != nil || !known {
		return Addr{}, false, err
	}
	switch tree.Kind {
	case dtab.Leaf:
		addr, known := tree.Leaf.Addr(reads)
		return addr, known, nil
	case dtab.Empty:
		return Addr{Bound: true}, true, nil
	case dtab.Neg:
		return Addr{}, true, nil
	case dtab.Fail:
		return Addr{}, false, errors.New("name tree failed")
	}
	return Addr{}, false, errors.New(id.String() + " is not a concrete bound id")
}
