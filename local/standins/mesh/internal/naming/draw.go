package naming

import (
	"math/rand"

	"linkerd-canary.local/mesh/internal/dtab"
)

// Draw picks a leaf of a bound tree by weight; nil where the draw falls on nothing. Where no branch
// has any weight, each is as likely as the others.
func Draw(tree dtab.Tree[Bound]) *Bound {
	switch tree.Kind {
	case dtab.Leaf:
		return &tree.Leaf
	case dtab.Union:
		return Draw(tree.Union[drawIndex(tree.Union)].Tree)
	}
	return nil
}

func drawIndex(branches []dtab.Weighted[Bound]) int {
	total := 0.0
	for _, branch := range branches {
		total += branch.Weight
	}
	if total == 0 {
		return rand.Intn(len(branches))
	}
	point, last := rand.Float64()*total, 0
	for i, branch := range branches {
		if branch.Weight == 0 {
			continue
		}
		last = i
		if point -= branch.Weight; point < 0 {
			break
		}
	}
	return last
}
