// Package follow has bindings and endpoints told by namerd, over its HTTP API, for as long as they
// are needed.
package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
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
	client    *http.Client

	mu    sync.Mutex
	binds map[string]*live.Cell[dtab.Tree[Bound]]
	addrs map[string]*live.Cell[naming.Addr]
}

// New follows the namespace of the namerd at an address, "host:port".
func New(address, namespace string) *Namerd {
	transport := &http.Transport{
		Proxy:       nil,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 5 * time.Second}).DialContext,
	}
	return &Namerd{
		base:      "http://" + address,
		namespace: namespace,
		client:    &http.Client{Transport: transport},
		binds:     map[string]*live.Cell[dtab.Tree[Bound]]{},
		addrs:     map[string]*live.Cell[naming.Addr]{},
	}
}

// linger is how long a stream goes on after the last one who read it has gone.
const linger = 5 * time.Second

// Bind gives the bound tree of a path with more entries than namerd has; false until namerd has
// answered.
func (n *Namerd) Bind(
	reads *live.Reads, path dtab.Path, more dtab.Dtab,
) (dtab.Tree[Bound], bool) {
	query := url.Values{"path": {path.String()}}
	if len(more) > 0 {
		query.Set("dtab", more.String())
	}
	return followed(n, n.binds, "bind", query, treeOf).Read(reads)
}

// Addr gives the endpoints of a bound name; false until namerd has answered.
func (n *Namerd) Addr(reads *live.Reads, id dtab.Path) (naming.Addr, bool) {
	return followed(n, n.addrs, "addr", url.Values{"path": {id.String()}}, addrOf).Read(reads)
}

// followed gives the cell of a resource, fed by a stream of documents of the type D.
func followed[D, T any](
	n *Namerd, cells map[string]*live.Cell[T], kind string, query url.Values, read func(D) T,
) *live.Cell[T] {
	key := query.Encode()
	n.mu.Lock()
	defer n.mu.Unlock()
	if cell := cells[key]; cell != nil {
		return cell
	}
	query.Set("watch", "true")
	resource := n.base + "/api/1/" + kind + "/" + url.PathEscape(n.namespace) + "?" + query.Encode()
	run := func(ctx context.Context, cell *live.Cell[T]) {
		stream(ctx, n.client, resource, func(document D) {
			if ctx.Err() == nil {
				cell.Set(read(document))
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

// The tries to reach namerd again start fast and slow down.
const (
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// stream reads documents of a resource until ctx ends, and asks again whenever the stream breaks.
func stream[D any](ctx context.Context, client *http.Client, resource string, tell func(D)) {
	backoff := firstBackoff
	for told := ""; ctx.Err() == nil; {
		err := readDocuments(ctx, client, resource, func(document D) {
			backoff, told = firstBackoff, ""
			tell(document)
		})
		if ctx.Err() != nil {
			return
		}
		if text := err.Error(); text != told {
			told = text
			fmt.Printf("following %s: %s\n", resource, text)
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff/2 + time.Duration(rand.Int63n(int64(backoff)))):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

func readDocuments[D any](
	ctx context.Context, client *http.Client, resource string, tell func(D),
) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, resource, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1024))
		return fmt.Errorf("namerd answers %d %s", answer.StatusCode, text)
	}
	documents := json.NewDecoder(answer.Body)
	for {
		var document D
		if err := documents.Decode(&document); err != nil {
			return err
		}
		tell(document)
	}
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
