package router

import (
	"context"
	"math/rand"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/follow"
	"linkerd-canary.local/mesh/internal/live"
	"linkerd-canary.local/mesh/internal/metrics"
	"linkerd-canary.local/mesh/internal/naming"
)

// route is a bound tree that is ready to draw from. Without a client and branches it leads nowhere.
type route struct {
	client   *client
	residual string // what the name had left over; "" for nothing
	branches []*route
	reach    []float64 // the sum of the weights up to each branch
}

// draw picks the client of one request; nil where the draw falls on nothing.
func (r *route) draw() *route {
	for len(r.branches) > 0 {
		r = r.branches[r.drawBranch()]
	}
	return r
}

// drawBranch draws by weight. Where no branch has any, each is as likely as the others.
func (r *route) drawBranch() int {
	total := r.reach[len(r.reach)-1]
	if total == 0 {
		return rand.Intn(len(r.branches))
	}
	point := rand.Float64() * total
	return sort.Search(len(r.reach), func(i int) bool { return point < r.reach[i] })
}

// clients gives all clients of a route.
func (r *route) clients() []*client {
	if r.client != nil {
		return []*client{r.client}
	}
	var all []*client
	for _, branch := range r.branches {
		all = append(all, branch.clients()...)
	}
	return all
}

// service is a name that requests ask for, whatever table they bring along.
type service struct {
	path     dtab.Path
	label    string // the name in metrics: without the first slash
	stats    metrics.Scope
	requests *metrics.Requests
	retries  *metrics.Counter
	noBudget *metrics.Counter
	purse    *purse
	bindings int
}

// binding is a service with the entries that a request brings along, and where it leads now.
type binding struct {
	service  *service
	more     dtab.Dtab
	lastUsed atomic.Int64 // in Unix nanoseconds
	stop     context.CancelFunc

	current atomic.Pointer[route]
	ready   chan struct{} // closed once there is a route
}

// bindings are all that a router knows of names: bindings by name and entries, the services and the
// clients under them. What is not used for a while is forgotten.
type bindings struct {
	namerd       *follow.Namerd
	transformers []Transformer
	stats        metrics.Scope // of the router
	budget       Budget
	idle         time.Duration
	most         int // bindings kept at once
	connect      func(metrics.Scope) *pool

	mu       sync.Mutex
	all      map[string]*binding
	services map[string]*service
	clients  map[string]*heldClient
}

// heldClient is a client with what keeps it.
type heldClient struct {
	*client
	holders int
	stop    context.CancelFunc
}

// get gives the binding of a path, which may not be ready yet.
func (b *bindings) get(path dtab.Path, more dtab.Dtab) *binding {
	key := path.String() + "\n" + more.String()
	now := time.Now().UnixNano()
	b.mu.Lock()
	defer b.mu.Unlock()
	if found := b.all[key]; found != nil {
		found.lastUsed.Store(now)
		return found
	}
	if len(b.all) >= b.most {
		b.dropOldest()
	}
	ctx, stop := context.WithCancel(context.Background())
	made := &binding{service: b.serviceOf(path), more: more, stop: stop, ready: make(chan struct{})}
	made.lastUsed.Store(now)
	b.all[key] = made
	go b.follow(ctx, made)
	return made
}

func (b *bindings) serviceOf(path dtab.Path) *service {
	label := strings.TrimPrefix(path.String(), "/")
	found := b.services[label]
	if found == nil {
		stats := b.stats.Below("service", label)
		found = &service{
			path:     path,
			label:    label,
			stats:    stats,
			requests: metrics.NewRequests(stats),
			retries:  stats.Below("retries").Counter("total"),
			noBudget: stats.Below("retries").Counter("budget_exhausted"),
			purse:    newPurse(b.budget),
		}
		b.services[label] = found
	}
	found.bindings++
	return found
}

// dropOldest makes room for another binding.
func (b *bindings) dropOldest() {
	oldest := ""
	for key, each := range b.all {
		if oldest == "" || each.lastUsed.Load() < b.all[oldest].lastUsed.Load() {
			oldest = key
		}
	}
	b.drop(oldest)
}

// drop forgets a binding, and its service with the last one.
func (b *bindings) drop(key string) {
	dropped := b.all[key]
	delete(b.all, key)
	dropped.stop()
	service := dropped.service
	if service.bindings--; service.bindings > 0 {
		return
	}
	delete(b.services, service.label)
	service.stats.Remove()
	for _, held := range b.clients {
		held.forget(service.label)
	}
}

// sweep forgets what has not been used for a while, now and then until ctx ends.
func (b *bindings) sweep(ctx context.Context) {
	ticker := time.NewTicker(max(b.idle/10, time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			b.dropIdle(now)
		}
	}
}

// dropIdle forgets what is idle, but for the binding and the client that were used last.
func (b *bindings) dropIdle(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	oldest := now.Add(-b.idle).UnixNano()
	last := int64(0)
	for _, each := range b.all {
		last = max(last, each.lastUsed.Load())
	}
	for key, each := range b.all {
		if used := each.lastUsed.Load(); used < oldest && used < last {
			b.drop(key)
		}
	}
	last = 0
	for _, each := range b.clients {
		last = max(last, each.lastUsed.Load())
	}
	for key, each := range b.clients {
		if used := each.lastUsed.Load(); used < oldest && used < last {
			b.expire(key, each)
		}
	}
}

// expire ends a client that no route leads to, and the counters of one that gets no requests.
func (b *bindings) expire(key string, held *heldClient) {
	held.expire()
	if held.holders == 0 {
		held.stop()
		delete(b.clients, key)
	}
}

// follow keeps a binding's route as namerd says, until ctx ends.
func (b *bindings) follow(ctx context.Context, it *binding) {
	_ = live.Follow(ctx, func(reads *live.Reads) (dtab.Tree[follow.Bound], bool, error) {
		tree, known := b.namerd.Bind(reads, it.service.path, it.more)
		return tree, known, nil
	}, func(tree dtab.Tree[follow.Bound]) error {
		before := it.current.Swap(b.routeOf(tree))
		if before == nil {
			close(it.ready)
		} else {
			b.release(before)
		}
		return nil
	})
	if last := it.current.Load(); last != nil {
		b.release(last)
	}
}

// routeOf makes a route, which holds its clients until it is released.
func (b *bindings) routeOf(tree dtab.Tree[follow.Bound]) *route {
	switch tree.Kind {
	case dtab.Leaf:
		made := &route{client: b.hold(tree.Leaf.ID)}
		if len(tree.Leaf.Residual) > 0 {
			made.residual = tree.Leaf.Residual.String()
		}
		return made
	case dtab.Union:
		made, reach := &route{}, 0.0
		for _, branch := range tree.Union {
			reach += branch.Weight
			made.branches = append(made.branches, b.routeOf(branch.Tree))
			made.reach = append(made.reach, reach)
		}
		return made
	}
	return &route{}
}

// hold gives the client of a bound name, and follows its endpoints while somebody holds it.
func (b *bindings) hold(id dtab.Path) *client {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := id.String()
	held := b.clients[key]
	if held == nil {
		name := id
		for _, transformer := range b.transformers {
			if transformer.Replaces {
				name = nil
			}
			name = transformer.Prefix.Join(name...)
		}
		label := strings.TrimPrefix(name.String(), "/")
		ctx, stop := context.WithCancel(context.Background())
		stats := b.stats.Below("client", label)
		held = &heldClient{client: newClient(id, label, stats, b.connect(stats)), stop: stop}
		b.clients[key] = held
		go b.followEndpoints(ctx, id, held.client)
	}
	held.holders++
	return held.client
}

// release lets go of a route's clients. One that no route leads to is kept until it is idle, so that
// its endpoints and counters are still there if it comes back.
func (b *bindings) release(released *route) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, each := range released.clients() {
		b.clients[each.id.String()].holders--
	}
}

// followEndpoints keeps a client's endpoints as namerd and the transformers say, until ctx ends.
func (b *bindings) followEndpoints(ctx context.Context, id dtab.Path, it *client) {
	_ = live.Follow(ctx, func(reads *live.Reads) ([]naming.Address, bool, error) {
		addr, allKnown := b.namerd.Addr(reads, id)
		endpoints := addr.Addrs
		for _, transformer := range b.transformers {
			changed, known := transformer.Apply(reads, endpoints)
			endpoints, allKnown = changed, (allKnown || transformer.Replaces) && known
		}
		return endpoints, allKnown, nil
	}, func(endpoints []naming.Address) error {
		it.update(endpoints)
		return nil
	})
}
