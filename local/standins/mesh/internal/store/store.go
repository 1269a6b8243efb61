// Package store keeps delegation tables by namespace, as namerd's storages do.
package store

import (
	"context"
	"errors"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
)

// Versioned is a table with the raw bytes of its version.
type Versioned struct {
	Dtab    dtab.Dtab
	Version string
}

// What a write can be refused for. Any other error is the storage's own trouble.
var (
	ErrExists   = errors.New("the namespace exists already")
	ErrMissing  = errors.New("there is no such namespace")
	ErrMismatch = errors.New("the table has another version")
)

// Store keeps tables. Reads may lag behind writes.
type Store interface {
	// List gives the names of all namespaces, sorted; false while they are not known yet.
	List(reads *live.Reads) ([]string, bool)
	// Get gives the table of a namespace, nil if there is none; false while that is not known yet.
	Get(reads *live.Reads, namespace string) (*Versioned, bool)
	// Create fails with ErrExists.
	Create(ctx context.Context, namespace string, table dtab.Dtab) error
	// Update replaces the table of that version; it fails with ErrMismatch or ErrMissing.
	Update(ctx context.Context, namespace string, table dtab.Dtab, version string) error
	// Put replaces whatever is there, or creates the namespace.
	Put(ctx context.Context, namespace string, table dtab.Dtab) error
	// Delete fails with ErrMissing.
	Delete(ctx context.Context, namespace string) error
}
