// Package metrics counts, and shows what it counted as linkerd does.
package metrics

import (
	"context"
	"math"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Registry holds the metrics of a program, each under a path of names such as
// rt, outgoing, service, svc/world, requests.
type Registry struct {
	mu      sync.RWMutex
	metrics map[string]metric
}

// metric is a *Counter, a *Gauge or a *Stat.
type metric any

const separator = "\x00"

// New makes an empty registry.
func New() *Registry { return &Registry{metrics: map[string]metric{}} }

// Scope is a place in a registry.
type Scope struct {
	registry *Registry
	path     string
}

// Scope gives the place below some names.
func (r *Registry) Scope(names ...string) Scope {
	return Scope{r, strings.Join(names, separator)}
}

// Below gives the place below further names.
func (s Scope) Below(names ...string) Scope {
	return Scope{s.registry, s.path + separator + strings.Join(names, separator)}
}

// Counter gives the counter of a name; it is shown from now on.
func (s Scope) Counter(name string) *Counter {
	return find(s, name, func() *Counter { return &Counter{} })
}

// Gauge gives the gauge of a name; it is shown from now on.
func (s Scope) Gauge(name string) *Gauge {
	return find(s, name, func() *Gauge { return &Gauge{} })
}

// Stat gives the distribution of a name; it is shown once it had a window with values.
func (s Scope) Stat(name string) *Stat {
	return find(s, name, func() *Stat { return &Stat{window: map[int64]int64{}} })
}

func find[M metric](s Scope, name string, create func() M) M {
	r, key := s.registry, s.path+separator+name
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, there := r.metrics[key].(M); there {
		return found
	}
	created := create()
	r.metrics[key] = created
	return created
}

// Remove forgets all metrics below a place.
func (s Scope) Remove() {
	r := s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.metrics {
		if strings.HasPrefix(key, s.path+separator) {
			delete(r.metrics, key)
		}
	}
}

// each calls f with all metrics in the order of their paths.
func (r *Registry) each(f func(path []string, m metric)) {
	r.mu.RLock()
	all := make(map[string]metric, len(r.metrics))
	keys := make([]string, 0, len(r.metrics))
	for key, m := range r.metrics {
		all[key] = m
		keys = append(keys, key)
	}
	r.mu.RUnlock()
	sort.Strings(keys)
	for _, key := range keys {
		f(strings.Split(key, separator), all[key])
	}
}

// DefaultWindow is how long a distribution is gathered before it is shown, for as long again
// (linkerd's default snapshot interval).
const DefaultWindow = time.Minute

// Run closes a window of all distributions each time that one is over, until ctx ends.
func (r *Registry) Run(ctx context.Context, window time.Duration) {
	ticker := time.NewTicker(window)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.snapshot()
		}
	}
}

func (r *Registry) snapshot() {
	r.each(func(_ []string, m metric) {
		if stat, ok := m.(*Stat); ok {
			stat.snapshot()
		}
	})
}

// Counter counts up from 0.
type Counter struct{ value atomic.Int64 }

// Add counts one.
func (c *Counter) Add() { c.value.Add(1) }

// Gauge is how many there are at a moment.
type Gauge struct{ value atomic.Int64 }

// Add counts up, or down.
func (g *Gauge) Add(change int64) { g.value.Add(change) }

// Stat gathers whole numbers; what was gathered in the last full window is shown.
type Stat struct {
	mu     sync.Mutex
	window map[int64]int64 // how often each value was seen
	shown  *Summary
}

// Summary tells of the values of one window.
type Summary struct {
	Count, Sum, Min, Max int64
	Average              float64
	sorted               []int64
	seen                 map[int64]int64
}

// Add gathers a value, of which three digits are kept.
func (s *Stat) Add(value int64) {
	if value >= 1000 {
		unit := int64(math.Pow10(int(math.Log10(float64(value))) - 2))
		value -= value % unit
	}
	s.mu.Lock()
	s.window[value]++
	s.mu.Unlock()
}

func (s *Stat) snapshot() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = nil
	if len(s.window) > 0 {
		s.shown = summarize(s.window)
		s.window = map[int64]int64{}
	}
}

func summarize(seen map[int64]int64) *Summary {
	summary := &Summary{seen: seen}
	for value, times := range seen {
		summary.Count += times
		summary.Sum += value * times
		summary.sorted = append(summary.sorted, value)
	}
	sort.Slice(summary.sorted, func(i, j int) bool { return summary.sorted[i] < summary.sorted[j] })
	summary.Min, summary.Max = summary.sorted[0], summary.sorted[len(summary.sorted)-1]
	summary.Average = float64(summary.Sum) / float64(summary.Count)
	return summary
}

// Quantile gives the value that a share of all values does not exceed: of the rank that Finagle's
// BucketedHistogram.percentile takes, which rounds half up.
func (s *Summary) Quantile(share float64) int64 {
	rank := int64(math.Floor(share*float64(s.Count) + 0.5))
	for _, value := range s.sorted {
		if rank -= s.seen[value]; rank <= 0 {
			return value
		}
	}
	return s.Max
}

func (s *Stat) summary() *Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// Requests counts requests under way and their outcomes at one place. They are counted as requests
// once they are answered.
type Requests struct {
	scope             Scope
	requests, success *Counter
	failures          atomic.Pointer[Counter] // shown from the first failure on
	pending           *Gauge
	latency           *Stat
}

// NewRequests counts at a place.
func NewRequests(scope Scope) *Requests {
	return &Requests{
		scope:    scope,
		requests: scope.Counter("requests"),
		success:  scope.Counter("success"),
		pending:  scope.Gauge("pending"),
		latency:  scope.Stat("request_latency_ms"),
	}
}

// Begin counts a request as pending until Done or Withdraw is called.
func (r *Requests) Begin() { r.pending.Add(1) }

// Withdraw ends a request that never was one: nothing of it was sent.
func (r *Requests) Withdraw() { r.pending.Add(-1) }

// Done counts a request that took its time.
func (r *Requests) Done(succeeded bool, took time.Duration) {
	r.pending.Add(-1)
	r.requests.Add()
	r.latency.Add(took.Milliseconds())
	if succeeded {
		r.success.Add()
		return
	}
	failures := r.failures.Load()
	if failures == nil {
		failures = r.scope.Counter("failures")
		r.failures.Store(failures)
	}
	failures.Add()
}
