// Package follow has bindings and endpoints told by namerd, over its HTTP API, for as long as they
// are needed.
package follow

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
	"linkerd-canary.local/mesh/internal/namerapi"
	"linkerd-canary.local/mesh/internal/naming"
)

// Bound is a name that namerd has bound, by its identity.
type Bound struct {
	ID       dtab.Path
	Residual dtab.Path
}

// Namerd is one namespace of a namerd. When namerd cannot be reached, what it told last stays.
type Namerd struct {
	base      string // http://HOST:PORT
	namespace string
	retry     Retry
	client    *http.Client

	mu      sync.Mutex
	binds   map[string]*live.Cell[dtab.Tree[Bound]]
	addrs   map[string]*live.Cell[naming.Addr]
	records map[question]*record
}

// New follows the namespace of the namerd at an address, "host:port".
func New(address, namespace string, retry Retry) *Namerd {
	transport := &http.Transport{
		Proxy:       nil,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 5 * time.Second}).DialContext,
	}
	return &Namerd{
		base:      "http://" + address,
		namespace: namespace,
		retry:     retry,
		client:    &http.Client{Transport: transport},
		binds:     map[string]*live.Cell[dtab.Tree[Bound]]{},
		addrs:     map[string]*live.Cell[naming.Addr]{},
		records:   map[question]*record{},
	}
}

// linger is how long a stream goes on after the last one who read it has gone.
const linger = 5 * time.Second

// Bind gives the bound tree of a path with more entries than namerd has; false until namerd has
// answered.
func (n *Namerd) Bind(
	reads *live.Reads, path dtab.Path, more dtab.Dtab,
) (dtab.Tree[Bound], bool) {
	about := question{kind: "bind", name: path.String(), dtab: more.String()}
	return followed(n, n.binds, about, treeOf, shownTree).Read(reads)
}

// Addr gives the endpoints of a bound name; false until namerd has answered.
func (n *Namerd) Addr(reads *live.Reads, id dtab.Path) (naming.Addr, bool) {
	about := question{kind: "addr", name: id.String()}
	return followed(n, n.addrs, about, addrOf, shownAddr).Read(reads)
}

// question is one thing that namerd is asked for.
type question struct{ kind, name, dtab string }

func (q question) url(n *Namerd) string {
	query := url.Values{"path": {q.name}, "watch": {"true"}}
	if q.dtab != "" {
		query.Set("dtab", q.dtab)
	}
	return n.base + "/api/1/" + q.kind + "/" + url.PathEscape(n.namespace) + "?" + query.Encode()
}

// followed gives the cell of a question, fed by a stream of documents of the type D.
func followed[D, T any](
	n *Namerd, cells map[string]*live.Cell[T], about question, read func(D) T, shown func(T) any,
) *live.Cell[T] {
	key := about.name + "\n" + about.dtab
	n.mu.Lock()
	defer n.mu.Unlock()
	if cell := cells[key]; cell != nil {
		return cell
	}
	kept := n.recordOf(about)
	run := func(ctx context.Context, cell *live.Cell[T]) {
		kept.start()
		defer kept.stop()
		s := &stream{client: n.client, url: about.url(n), backoff: n.retry.backoff(), record: kept}
		follow(ctx, s, func(document D) {
			if ctx.Err() == nil {
				value := read(document)
				kept.update(shown(value))
				cell.Set(value)
			}
		})
	}
	forget := func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(cells, key)
	}
	cells[key] = live.NewFed(linger, run, forget)
	return cells[key]
}

// treeOf reads a bound tree.
func treeOf(shape namerapi.Tree) dtab.Tree[Bound] {
	switch shape.Type {
	case "leaf":
		return dtab.LeafOf(Bound{ID: shape.Bound.ID, Residual: shape.Bound.Path})
	case "union":
		union := dtab.Tree[Bound]{Kind: dtab.Union}
		for _, branch := range shape.Union {
			weighted := dtab.Weighted[Bound]{Weight: float64(branch.Weight), Tree: treeOf(*branch.Tree)}
			union.Union = append(union.Union, weighted)
		}
		return union
	case "empty":
		return dtab.Tree[Bound]{Kind: dtab.Empty}
	case "fail":
		return dtab.Tree[Bound]{Kind: dtab.Fail}
	}
	return dtab.Tree[Bound]{Kind: dtab.Neg}
}

func addrOf(shape namerapi.Addr) naming.Addr {
	addr := naming.Addr{Bound: shape.Type == "bound"}
	if shape.Addrs != nil {
		addr.Addrs = *shape.Addrs
	}
	return addr
}
