package router

import (
	"math/rand"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/metrics"
	"linkerd-canary.local/mesh/internal/naming"
)

// client is the way to one bound name: its endpoints, and who gets the next request.
type client struct {
	id    dtab.Path     // the bound name, without what transformers put before it
	label string        // its name in metrics and headers, without the first slash
	ready chan struct{} // closed once the endpoints are known
	stats metrics.Scope
	pool  *pool

	lastUsed  atomic.Int64 // in Unix nanoseconds
	mu        sync.Mutex
	endpoints []*endpoint
	all       *metrics.Requests            // nil once it has expired, until the next request
	services  map[string]*metrics.Requests // by the name that was asked for
}

// endpoint is one address of a client.
type endpoint struct {
	address  string
	inFlight atomic.Int32
	failures atomic.Int32 // connections refused in a row
	deadTill atomic.Int64 // in Unix nanoseconds
}

func newClient(id dtab.Path, label string, stats metrics.Scope, pool *pool) *client {
	made := &client{
		id:       id,
		label:    label,
		ready:    make(chan struct{}),
		stats:    stats,
		pool:     pool,
		all:      metrics.NewRequests(stats),
		services: map[string]*metrics.Requests{},
	}
	made.used()
	return made
}

func (c *client) used() { c.lastUsed.Store(time.Now().UnixNano()) }

// update replaces the endpoints; those that stay keep what is known of them.
func (c *client) update(addresses []naming.Address) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := map[string]*endpoint{}
	for _, known := range c.endpoints {
		before[known.address] = known
	}
	c.endpoints = nil // not emptied in place: pick may still hold the old ones
	for _, each := range addresses {
		address := net.JoinHostPort(each.IP, strconv.Itoa(each.Port))
		known := before[address]
		if known == nil {
			known = &endpoint{address: address}
		}
		c.endpoints = append(c.endpoints, known)
	}
	select {
	case <-c.ready:
	default:
		close(c.ready)
	}
}

func (c *client) addresses() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	addresses := make([]string, len(c.endpoints))
	for i, each := range c.endpoints {
		addresses[i] = each.address
	}
	return addresses
}

// counters gives those of all requests that come to this client, and of those for one name.
func (c *client) counters(service string) []*metrics.Requests {
	c.used()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = metrics.NewRequests(c.stats)
	}
	if c.services[service] == nil {
		c.services[service] = metrics.NewRequests(c.stats.Below("service", service))
	}
	return []*metrics.Requests{c.all, c.services[service]}
}

// expire forgets the counters of a client that is idle, and closes its connections. If a request
// comes to it again it counts from 0.
func (c *client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, each := range c.endpoints {
		if each.inFlight.Load() > 0 {
			return
		}
	}
	c.all, c.services = nil, map[string]*metrics.Requests{}
	c.stats.Remove()
	c.pool.close()
}

// forget removes the counters of a name that nobody asks for any more.
func (c *client) forget(service string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.services, service)
	c.stats.Below("service", service).Remove()
}

// pick chooses an endpoint that was not tried yet: of two at random, the one with fewer requests
// under way. Endpoints that refuse connections are left out while there are others. nil if none is
// left.
func (c *client) pick(tried map[*endpoint]bool) *endpoint {
	c.mu.Lock()
	endpoints := c.endpoints
	c.mu.Unlock()
	now := time.Now()
	alive := candidates(endpoints, func(e *endpoint) bool { return !tried[e] && !e.rests(now) })
	if len(alive) == 0 {
		alive = candidates(endpoints, func(e *endpoint) bool { return !tried[e] })
	}
	switch len(alive) {
	case 0:
		return nil
	case 1:
		return alive[0]
	}
	first := rand.Intn(len(alive))
	second := (first + 1 + rand.Intn(len(alive)-1)) % len(alive)
	if alive[second].inFlight.Load() < alive[first].inFlight.Load() {
		first = second
	}
	return alive[first]
}

func candidates(endpoints []*endpoint, wanted func(*endpoint) bool) []*endpoint {
	kept := make([]*endpoint, 0, len(endpoints))
	for _, each := range endpoints {
		if wanted(each) {
			kept = append(kept, each)
		}
	}
	return kept
}

// An endpoint is left alone after so many refused connections in a row, for longer each time.
const (
	refusalsAllowed = 5
	firstRest       = 5 * time.Second
	longestRest     = 5 * time.Minute
)

func (e *endpoint) refused() {
	over := e.failures.Add(1) - refusalsAllowed
	if over < 0 {
		return
	}
	rest := min(firstRest<<min(over, 10), longestRest)
	e.deadTill.Store(time.Now().Add(rest).UnixNano())
}

func (e *endpoint) rests(now time.Time) bool { return e.deadTill.Load() > now.UnixNano() }

func (e *endpoint) answered() {
	if e.failures.Load() != 0 {
		e.failures.Store(0)
		e.deadTill.Store(0)
	}
}
