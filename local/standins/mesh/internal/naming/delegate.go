package naming

import (
	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
)

// Delegation is a step of the way from a path to bound names, with all that was tried. The fields
// that count depend on Type.
type Delegation struct {
	Type    string // delegate, alt, union, leaf, neg, empty, fail, exception
	Path    dtab.Path
	Dentry  *dtab.Dentry // the entry that led here; nil for none
	Next    *Delegation  // delegate
	Alt     []*Delegation
	Union   []WeightedDelegation
	Name    Name   // leaf
	Message string // exception
}

// WeightedDelegation is a branch of a union.
type WeightedDelegation struct {
	Weight float64
	Tree   *Delegation
}

// Delegate follows a path as Bind does, and keeps every step and every branch.
func (in *Interpreter) Delegate(
	reads *live.Reads, table dtab.Dtab, path dtab.Path,
) (*Delegation, bool, error) {
	b := &binding{interpreter: in, reads: reads, table: table}
	start := &Delegation{Type: "leaf", Path: path, Name: Name{Path: path}}
	tree, known, err := b.delegate(start, 0)
	if err != nil || !known {
		return nil, false, err
	}
	return tree.simplify(), true, nil
}

// stepsOf makes steps of a name tree; all of it comes from one path and entry.
func stepsOf(path dtab.Path, dentry *dtab.Dentry, tree dtab.Tree[Name]) *Delegation {
	step := &Delegation{Path: path, Dentry: dentry}
	switch tree.Kind {
	case dtab.Leaf:
		step.Type, step.Name = "leaf", tree.Leaf
	case dtab.Alt:
		step.Type = "alt"
		for _, branch := range tree.Alt {
			step.Alt = append(step.Alt, stepsOf(path, dentry, branch))
		}
	case dtab.Union:
		step.Type = "union"
		for _, branch := range tree.Union {
			under := stepsOf(path, dentry, branch.Tree)
			step.Union = append(step.Union, WeightedDelegation{branch.Weight, under})
		}
	case dtab.Fail:
		step.Type = "fail"
	case dtab.Neg:
		step.Type = "neg"
	case dtab.Empty:
		step.Type = "empty"
	}
	return step
}

func (b *binding) delegate(step *Delegation, depth int) (*Delegation, bool, error) {
	switch step.Type {
	case "leaf":
		if step.Name.Bound != nil {
			return step, true, nil
		}
		next, known, err := b.delegateStep(step.Name.Path, step.Dentry, depth)
		if err != nil || !known {
			return step, known, err
		}
		return b.delegate(next, depth+1)
	case "delegate":
		next, known, err := b.delegate(step.Next, depth)
		return &Delegation{Type: "delegate", Path: step.Path, Dentry: step.Dentry, Next: next},
			known, err
	case "alt", "union":
		return b.delegateBranches(step, depth)
	}
	return step, true, nil
}

func (b *binding) delegateBranches(step *Delegation, depth int) (*Delegation, bool, error) {
	out, allKnown := &Delegation{Type: step.Type, Path: step.Path, Dentry: step.Dentry}, true
	for _, branch := range step.Alt {
		tree, known, err := b.delegate(branch, depth)
		if err != nil {
			return nil, false, err
		}
		allKnown, out.Alt = allKnown && known, append(out.Alt, tree)
	}
	for _, branch := range step.Union {
		tree, known, err := b.delegate(branch.Tree, depth)
		if err != nil {
			return nil, false, err
		}
		allKnown = allKnown && known
		out.Union = append(out.Union, WeightedDelegation{branch.Weight, tree})
	}
	return out, allKnown, nil
}

// delegateStep is what becomes of a path in one step: by the table, else by the namers.
func (b *binding) delegateStep(
	path dtab.Path, dentry *dtab.Dentry, depth int,
) (*Delegation, bool, error) {
	b.lookups++
	if depth > maxDepth || b.lookups > maxLookups {
		return nil, false, errTooDeep
	}
	if matches := b.table.Matches(path); len(matches) > 0 {
		return stepsOfMatches(path, dentry, matches), true, nil
	}
	tree, known, err := b.interpreter.lookup(b.reads, path)
	if err != nil {
		return &Delegation{Type: "exception", Path: path, Dentry: dentry, Message: err.Error()},
			true, nil
	}
	return stepsOf(path, dentry, tree), known, nil
}

func stepsOfMatches(path dtab.Path, dentry *dtab.Dentry, matches []dtab.Match) *Delegation {
	if len(matches) == 1 {
		next := stepsOf(path, matches[0].Dentry, fromPaths(matches[0].Tree))
		return &Delegation{Type: "delegate", Path: path, Dentry: dentry, Next: next}
	}
	alt := &Delegation{Type: "alt", Path: path, Dentry: dentry}
	for _, match := range matches {
		alt.Alt = append(alt.Alt, stepsOf(path, match.Dentry, fromPaths(match.Tree)))
	}
	return alt
}

// simplify drops steps that lead from a path to itself and joins alternatives of one path.
func (d *Delegation) simplify() *Delegation {
	switch d.Type {
	case "delegate":
		next := d.Next.simplify()
		if next.Path.String() == d.Path.String() {
			return next
		}
		return &Delegation{Type: "delegate", Path: d.Path, Dentry: d.Dentry, Next: next}
	case "alt":
		return d.simplifyAlt()
	case "union":
		return d.simplifyUnion()
	}
	return d
}

func (d *Delegation) simplifyAlt() *Delegation {
	if len(d.Alt) == 1 {
		next := &Delegation{Type: "delegate", Path: d.Path, Dentry: d.Dentry, Next: d.Alt[0]}
		return next.simplify()
	}
	out := &Delegation{Type: "alt", Path: d.Path, Dentry: d.Dentry}
	for _, branch := range d.Alt {
		branch = branch.simplify()
		if branch.Type == "alt" && branch.Path.String() == d.Path.String() {
			out.Alt = append(out.Alt, branch.Alt...)
		} else {
			out.Alt = append(out.Alt, branch)
		}
	}
	return out
}

func (d *Delegation) simplifyUnion() *Delegation {
	if len(d.Union) == 1 {
		next := &Delegation{Type: "delegate", Path: d.Path, Dentry: d.Dentry, Next: d.Union[0].Tree}
		return next.simplify()
	}
	out := &Delegation{Type: "union", Path: d.Path, Dentry: d.Dentry}
	for _, branch := range d.Union {
		out.Union = append(out.Union, WeightedDelegation{branch.Weight, branch.Tree.simplify()})
	}
	return out
}
