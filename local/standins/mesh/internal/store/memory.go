package store

import (
	"context"
	"encoding/binary"
	"sort"
	"sync"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
)

// Memory is a store that forgets all when the program ends. Its version is a counter of eight bytes
// that starts at 1 for each namespace made.
type Memory struct {
	mu     sync.Mutex // held over each read-and-write
	tables *live.Cell[map[string]Versioned]
}

// NewMemory makes a store of the tables given.
func NewMemory(tables map[string]dtab.Dtab) *Memory {
	m := &Memory{tables: live.NewCell[map[string]Versioned]()}
	first := map[string]Versioned{}
	for namespace, table := range tables {
		first[namespace] = Versioned{table, version(1)}
	}
	m.tables.Set(first)
	return m
}

func version(counter uint64) string {
	return string(binary.BigEndian.AppendUint64(nil, counter))
}

func next(current string) string {
	return version(binary.BigEndian.Uint64([]byte(current)) + 1)
}

// List gives the names of all namespaces.
func (m *Memory) List(reads *live.Reads) ([]string, bool) {
	tables, known := m.tables.Read(reads)
	return names(tables), known
}

func names(tables map[string]Versioned) []string {
	sorted := make([]string, 0, len(tables))
	for namespace := range tables {
		sorted = append(sorted, namespace)
	}
	sort.Strings(sorted)
	return sorted
}

// Get gives the table of a namespace.
func (m *Memory) Get(reads *live.Reads, namespace string) (*Versioned, bool) {
	tables, known := m.tables.Read(reads)
	return lookup(tables, namespace), known
}

func lookup(tables map[string]Versioned, namespace string) *Versioned {
	if table, there := tables[namespace]; there {
		return &table
	}
	return nil
}

// Create makes a namespace.
func (m *Memory) Create(_ context.Context, namespace string, table dtab.Dtab) error {
	return m.change(namespace, func(current *Versioned) (*Versioned, error) {
		if current != nil {
			return nil, ErrExists
		}
		return &Versioned{table, version(1)}, nil
	})
}

// Update replaces the table of that version.
func (m *Memory) Update(_ context.Context, namespace string, table dtab.Dtab, tag string) error {
	return m.change(namespace, func(current *Versioned) (*Versioned, error) {
		switch {
		case current == nil:
			return nil, ErrMissing
		case current.Version != tag:
			return nil, ErrMismatch
		}
		return &Versioned{table, next(tag)}, nil
	})
}

// Put replaces whatever is there.
func (m *Memory) Put(_ context.Context, namespace string, table dtab.Dtab) error {
	return m.change(namespace, func(current *Versioned) (*Versioned, error) {
		if current == nil {
			return &Versioned{table, version(1)}, nil
		}
		return &Versioned{table, next(current.Version)}, nil
	})
}

// Delete removes a namespace.
func (m *Memory) Delete(_ context.Context, namespace string) error {
	return m.change(namespace, func(current *Versioned) (*Versioned, error) {
		if current == nil {
			return nil, ErrMissing
		}
		return nil, nil
	})
}

// change puts what `decide` makes of a namespace's table in its place; nil removes it.
func (m *Memory) change(namespace string, decide func(*Versioned) (*Versioned, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	tables, _ := m.tables.Peek()
	decided, err := decide(lookup(tables, namespace))
	if err != nil {
		return err
	}
	changed := make(map[string]Versioned, len(tables)+1)
	for name, table := range tables {
		changed[name] = table
	}
	delete(changed, namespace)
	if decided != nil {
		changed[namespace] = *decided
	}
	m.tables.Set(changed)
	return nil
}
