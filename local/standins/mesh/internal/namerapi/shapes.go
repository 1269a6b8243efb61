// Package namerapi is namerd's HTTP API: what it says in JSON, and the handler that serves it.
package namerapi

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
	"linkerd-canary.local/mesh/internal/naming"
)

// Addr is a set of endpoints in JSON: type bound, neg, failed or pending.
type Addr struct {
	Type  string            `json:"type"`
	Cause string            `json:"cause,omitempty"`
	Addrs *[]naming.Address `json:"addrs,omitempty"`
	Meta  *map[string]any   `json:"meta,omitempty"`
}

// Bound is a bound name with its endpoints.
type Bound struct {
	Addr Addr      `json:"addr"`
	ID   dtab.Path `json:"id"`
	Path dtab.Path `json:"path"`
}

// Tree is a bound tree or a delegation, by Type. Bound trees have no Path and Dentry.
type Tree struct {
	Type     string       `json:"type"`
	Path     string       `json:"path,omitempty"`
	Dentry   *dtab.Dentry `json:"dentry,omitempty"`
	Message  string       `json:"message,omitempty"`
	Delegate *Tree        `json:"delegate,omitempty"`
	Bound    *Bound       `json:"bound,omitempty"`
	Alt      []*Tree      `json:"alt,omitempty"`
	Union    []Weighted   `json:"union,omitempty"`
}

// Weighted is a branch of a union.
type Weighted struct {
	Weight Double `json:"weight"`
	Tree   *Tree  `json:"tree"`
}

// Double is a number that is written as Java writes a double: 1.0, 0.5, 1.0E7.
type Double float64

// MarshalJSON writes the number.
func (d Double) MarshalJSON() ([]byte, error) {
	value := float64(d)
	if size := math.Abs(value); size != 0 && (size < 1e-3 || size >= 1e7) {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(value, 'e', -1, 64), "e")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		power, err := strconv.Atoi(exponent)
		return []byte(mantissa + "E" + strconv.Itoa(power)), err
	}
	text := strconv.FormatFloat(value, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return []byte(text), nil
}

// encode writes a value in JSON without a line's end, and without escapes for HTML.
func encode(value any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // all the types here can be encoded
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}

func shapeOfAddr(addr naming.Addr) Addr {
	switch {
	case addr.Failed != "":
		return Addr{Type: "failed", Cause: addr.Failed}
	case !addr.Bound:
		return Addr{Type: "neg"}
	}
	addrs := make([]naming.Address, len(addr.Addrs))
	for i, address := range addr.Addrs {
		if address.Meta == nil {
			address.Meta = map[string]any{}
		}
		addrs[i] = address
	}
	return Addr{Type: "bound", Addrs: &addrs, Meta: &map[string]any{}}
}

func shapeOfBound(reads *live.Reads, bound naming.Bound) (*Bound, bool) {
	addr, known := bound.Addr(reads)
	return &Bound{Addr: shapeOfAddr(addr), ID: bound.ID, Path: bound.Residual}, known
}

// typeOf names the kinds of trees that have no content.
var typeOf = map[dtab.Kind]string{dtab.Fail: "fail", dtab.Neg: "neg", dtab.Empty: "empty"}

// shapeOfTree shows a bound tree; false while some endpoints are not known.
func shapeOfTree(reads *live.Reads, tree dtab.Tree[naming.Bound]) (*Tree, bool) {
	switch tree.Kind {
	case dtab.Leaf:
		bound, known := shapeOfBound(reads, tree.Leaf)
		return &Tree{Type: "leaf", Bound: bound}, known
	case dtab.Union:
		out, allKnown := &Tree{Type: "union"}, true
		for _, branch := range tree.Union {
			under, known := shapeOfTree(reads, branch.Tree)
			allKnown = allKnown && known
			out.Union = append(out.Union, Weighted{Double(branch.Weight), under})
		}
		return out, allKnown
	}
	return &Tree{Type: typeOf[tree.Kind]}, true
}

// shapeOfDelegation shows all steps; false while some endpoints are not known.
func shapeOfDelegation(reads *live.Reads, step *naming.Delegation) (*Tree, bool) {
	out := &Tree{Type: step.Type, Path: step.Path.String(), Dentry: step.Dentry}
	out.Message = step.Message
	known := true
	switch step.Type {
	case "fail":
		if !step.Path.HasPrefix(dtab.MustPath("/$/fail")) {
			out.Path = "!"
		}
	case "neg":
		if len(step.Path) == 0 {
			out.Path = "~"
		}
	case "leaf":
		out.Bound, known = shapeOfBound(reads, *step.Name.Bound)
	case "delegate":
		out.Delegate, known = shapeOfDelegation(reads, step.Next)
	}
	for _, branch := range step.Alt {
		under, branchKnown := shapeOfDelegation(reads, branch)
		known, out.Alt = known && branchKnown, append(out.Alt, under)
	}
	for _, branch := range step.Union {
		under, branchKnown := shapeOfDelegation(reads, branch.Tree)
		known = known && branchKnown
		out.Union = append(out.Union, Weighted{Double(branch.Weight), under})
	}
	return out, known
}

// skeleton tells bound trees apart by their names and weights alone, not by their endpoints.
func skeleton(tree dtab.Tree[naming.Bound]) string {
	switch tree.Kind {
	case dtab.Leaf:
		return tree.Leaf.ID.String() + " " + tree.Leaf.Residual.String()
	case dtab.Union:
		var out strings.Builder
		for _, branch := range tree.Union {
			weight := strconv.FormatFloat(branch.Weight, 'g', -1, 64)
			out.WriteString("(" + weight + " " + skeleton(branch.Tree) + ")")
		}
		return out.String()
	}
	return typeOf[tree.Kind]
}
