package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/kube"
	"linkerd-canary.local/mesh/internal/live"
)

const (
	apiVersion = "l5d.io/v1alpha1"
	groupPath  = "/apis/" + apiVersion
)

// Kubernetes keeps tables in objects of the kind DTab, one a dtab namespace, all in one namespace of
// the cluster. What it reads comes from a watch, so a write is seen a moment later.
type Kubernetes struct {
	client *kube.Client
	path   string
	tables *live.Cell[map[string]Versioned]
}

// NewKubernetes makes a store and follows its objects until ctx ends.
func NewKubernetes(ctx context.Context, client *kube.Client, namespace string) *Kubernetes {
	place := "/namespaces/" + url.PathEscape(namespace) + "/dtabs"
	k := &Kubernetes{client, groupPath + place, live.NewCell[map[string]Versioned]()}
	watched := kube.Watched{Path: k.path, WatchPath: groupPath + "/watch" + place}
	go client.Follow(ctx, watched, &tablesFollower{cell: k.tables})
	return k
}

// object is a table as Kubernetes keeps it.
type object struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metadata          `json:"metadata"`
	Dentries   []json.RawMessage `json:"dentries"` // what others have written may be no dentry
}

type metadata struct {
	Name            string `json:"name"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

func objectOf(namespace string, table dtab.Dtab, version string) object {
	it := object{apiVersion, "DTab", metadata{namespace, version}, []json.RawMessage{}}
	for _, dentry := range table {
		text, _ := dentry.MarshalJSON()
		it.Dentries = append(it.Dentries, text)
	}
	return it
}

func (o object) table() (Versioned, error) {
	table := dtab.Dtab{}
	for _, raw := range o.Dentries {
		var dentry dtab.Dentry
		if err := json.Unmarshal(raw, &dentry); err != nil {
			return Versioned{}, fmt.Errorf("dtab %q: %w", o.Metadata.Name, err)
		}
		table = append(table, dentry)
	}
	return Versioned{table, o.Metadata.ResourceVersion}, nil
}

// tablesFollower keeps the cell as the watch says. An object that holds no table is left out.
type tablesFollower struct {
	cell *live.Cell[map[string]Versioned]
}

func (f *tablesFollower) Reset(state []byte) error {
	var list struct{ Items []object }
	if err := json.Unmarshal(state, &list); err != nil {
		return err
	}
	tables := map[string]Versioned{}
	for _, item := range list.Items {
		keep(tables, item)
	}
	f.cell.Set(tables)
	return nil
}

func keep(tables map[string]Versioned, item object) {
	table, err := item.table()
	if err != nil {
		fmt.Println(err)
		delete(tables, item.Metadata.Name)
		return
	}
	tables[item.Metadata.Name] = table
}

func (f *tablesFollower) Event(kind string, raw []byte) error {
	var item object
	if err := json.Unmarshal(raw, &item); err != nil {
		return err
	}
	before, _ := f.cell.Peek()
	tables := make(map[string]Versioned, len(before)+1)
	for name, table := range before {
		tables[name] = table
	}
	if kind == "DELETED" {
		delete(tables, item.Metadata.Name)
	} else {
		keep(tables, item)
	}
	f.cell.Set(tables)
	return nil
}

// List gives the names of all namespaces that the watch has told of.
func (k *Kubernetes) List(reads *live.Reads) ([]string, bool) {
	tables, known := k.tables.Read(reads)
	return names(tables), known
}

// Get gives the table that the watch has told of last.
func (k *Kubernetes) Get(reads *live.Reads, namespace string) (*Versioned, bool) {
	tables, known := k.tables.Read(reads)
	return lookup(tables, namespace), known
}

func (k *Kubernetes) named(namespace string) string { return k.path + "/" + url.PathEscape(namespace) }

// answered tells whether an error is an answer of that status.
func answered(err error, code int) bool {
	status, ok := err.(*kube.Status)
	return ok && status.Code == code
}

// Create makes a namespace.
func (k *Kubernetes) Create(ctx context.Context, namespace string, table dtab.Dtab) error {
	_, err := k.client.Do(ctx, http.MethodPost, k.path, objectOf(namespace, table, ""))
	if answered(err, http.StatusConflict) {
		return ErrExists
	}
	return err
}

// Update replaces the table of that version. A namespace that is not there is an error like any
// other: the real storage does not know it from others either. So is a version that Kubernetes never
// gave, which the API server calls an internal error.
func (k *Kubernetes) Update(
	ctx context.Context, namespace string, table dtab.Dtab, version string,
) error {
	_, err := k.client.Do(
		ctx, http.MethodPut, k.named(namespace), objectOf(namespace, table, version))
	if answered(err, http.StatusConflict) {
		return ErrMismatch
	}
	return err
}

// Put replaces whatever is there.
func (k *Kubernetes) Put(ctx context.Context, namespace string, table dtab.Dtab) error {
	state, err := k.client.Do(ctx, http.MethodGet, k.named(namespace), nil)
	if err == nil {
		var current object
		if err = json.Unmarshal(state, &current); err == nil {
			version := current.Metadata.ResourceVersion
			_, err = k.client.Do(
				ctx, http.MethodPut, k.named(namespace), objectOf(namespace, table, version))
		}
	}
	if answered(err, http.StatusNotFound) {
		return k.Create(ctx, namespace, table)
	}
	return err
}

// Delete removes a namespace.
func (k *Kubernetes) Delete(ctx context.Context, namespace string) error {
	_, err := k.client.Do(ctx, http.MethodDelete, k.named(namespace), nil)
	if answered(err, http.StatusNotFound) {
		return ErrMissing
	}
	return err
}
