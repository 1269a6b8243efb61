// Package k8snamer finds the endpoints of Kubernetes services, as the namer io.l5d.k8s does.
package k8snamer

import (
	"context"
	"encoding/json"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/kube"
	"linkerd-canary.local/mesh/internal/live"
	"linkerd-canary.local/mesh/internal/naming"
)

// Namer binds /NAMESPACE/PORT/SERVICE to the addresses of a service that are ready. A service
// is followed from when it is first asked for until nobody has asked for some time.
type Namer struct {
	prefix dtab.Path
	client *kube.Client
	mu     sync.Mutex
	pods   map[string]*live.Cell[endpoints]
	ports  map[string]*live.Cell[map[int]string]
}

// New makes a namer that is mounted at a prefix.
func New(prefix dtab.Path, client *kube.Client) *Namer {
	return &Namer{
		prefix: prefix,
		client: client,
		pods:   map[string]*live.Cell[endpoints]{},
		ports:  map[string]*live.Cell[map[int]string]{},
	}
}

// followFor is how long a service is followed after the last one who asked has gone.
const followFor = time.Minute

// nameLength is the number of path elements that name a service; the rest is left over.
const nameLength = 3

// Lookup gives a leaf where the service has a port of that name or number, else Neg. A service whose
// pods are all unready has its ports, and a leaf without addresses.
func (n *Namer) Lookup(
	reads *live.Reads, path dtab.Path,
) (dtab.Tree[naming.Name], bool, error) {
	none := dtab.Tree[naming.Name]{Kind: dtab.Neg}
	if len(path) < nameLength {
		return none, true, nil
	}
	name := make(dtab.Path, nameLength)
	for i := range name {
		name[i] = strings.ToLower(path[i])
	}
	addresses := func(reads *live.Reads) (naming.Addr, bool) {
		found, _, known := n.Addresses(reads, name[0], name[2], name[1])
		return naming.Addr{Bound: true, Addrs: found}, known
	}
	_, exists, known := n.Addresses(reads, name[0], name[2], name[1])
	if !known || !exists {
		return none, known, nil
	}
	bound := &naming.Bound{
		ID: n.prefix.Join(name...), Residual: path[nameLength:], Addr: addresses,
	}
	return dtab.LeafOf(naming.Name{Bound: bound}), true, nil
}

// Addresses gives the addresses of a service's port, and whether there is such a port. The last
// result is false while that is not known.
func (n *Namer) Addresses(
	reads *live.Reads, namespace, service, port string,
) (addrs []naming.Address, exists, known bool) {
	pods, known := n.podsOf(namespace, service).Read(reads)
	if number, err := strconv.Atoi(port); err == nil {
		targets, portsKnown := n.portsOf(namespace, service).Read(reads)
		target, mapped := targets[number]
		if !known || !portsKnown || !mapped {
			return nil, false, known && portsKnown
		}
		if number, err := strconv.Atoi(target); err == nil {
			return pods.at(number), true, true
		}
		port = target
	}
	number, exists := pods.Ports[port]
	return pods.at(number), exists, known
}

// endpoints are the ready addresses of a service, and its ports by name.
type endpoints struct {
	Pods  []pod
	Ports map[string]int
}

type pod struct {
	IP       string
	NodeName string
}

func (e endpoints) at(port int) []naming.Address {
	addresses := make([]naming.Address, len(e.Pods))
	for i, pod := range e.Pods {
		addresses[i] = naming.Address{IP: pod.IP, Port: port}
		if pod.NodeName != "" {
			addresses[i].Meta = map[string]any{"nodeName": pod.NodeName}
		}
	}
	return addresses
}

func (n *Namer) podsOf(namespace, service string) *live.Cell[endpoints] {
	return followed(n, n.pods, namespace, "endpoints", service, readEndpoints)
}

func (n *Namer) portsOf(namespace, service string) *live.Cell[map[int]string] {
	return followed(n, n.ports, namespace, "services", service, readPorts)
}

// followed gives the cell of an object; it follows the object while somebody reads it.
func followed[T any](
	n *Namer, cells map[string]*live.Cell[T],
	namespace, kind, name string, read func([]byte) (T, error),
) *live.Cell[T] {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := namespace + "/" + name
	if cell := cells[key]; cell != nil {
		return cell
	}
	place := "/namespaces/" + url.PathEscape(namespace) + "/" + kind + "/" + url.PathEscape(name)
	watched := kube.Watched{
		Path: "/api/v1" + place, WatchPath: "/api/v1/watch" + place, Optional: true,
	}
	run := func(ctx context.Context, cell *live.Cell[T]) {
		n.client.Follow(ctx, watched, &follower[T]{ctx, cell, read})
	}
	forget := func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(cells, key)
	}
	cells[key] = live.NewFed(followFor, run, forget)
	return cells[key]
}

// follower sets a cell to what an object says; to nothing when it is gone.
type follower[T any] struct {
	ctx  context.Context
	cell *live.Cell[T]
	read func([]byte) (T, error)
}

func (f *follower[T]) Reset(state []byte) error {
	var value T
	if state != nil {
		read, err := f.read(state)
		if err != nil {
			return err
		}
		value = read
	}
	if f.ctx.Err() == nil {
		f.cell.Set(value)
	}
	return nil
}

func (f *follower[T]) Event(kind string, object []byte) error {
	if kind == "DELETED" {
		object = nil
	}
	return f.Reset(object)
}

// readEndpoints joins all subsets, as the real namer does: addresses of one, ports of all.
func readEndpoints(object []byte) (endpoints, error) {
	var said struct {
		Subsets []struct {
			Addresses []pod
			Ports     []struct {
				Name, Protocol string
				Port           int
			}
		}
	}
	if err := json.Unmarshal(object, &said); err != nil {
		return endpoints{}, err
	}
	all := endpoints{Ports: map[string]int{}}
	seen := map[string]bool{}
	for _, subset := range said.Subsets {
		for _, pod := range subset.Addresses {
			if !seen[pod.IP] {
				seen[pod.IP] = true
				all.Pods = append(all.Pods, pod)
			}
		}
		for _, port := range subset.Ports {
			tcp := port.Protocol == "" || strings.EqualFold(port.Protocol, "TCP")
			if tcp && port.Name != "" {
				all.Ports[port.Name] = port.Port
			}
		}
	}
	sort.Slice(all.Pods, func(i, j int) bool { return all.Pods[i].IP < all.Pods[j].IP })
	return all, nil
}

// readPorts gives the target of each port of a service: a number or a port's name.
func readPorts(object []byte) (map[int]string, error) {
	var said struct {
		Spec struct {
			Ports []struct {
				Port       int
				TargetPort any
			}
		}
	}
	if err := json.Unmarshal(object, &said); err != nil {
		return nil, err
	}
	targets := map[int]string{}
	for _, port := range said.Spec.Ports {
		switch target := port.TargetPort.(type) {
		case string:
			targets[port.Port] = target
		case float64:
			targets[port.Port] = strconv.Itoa(int(target))
		default:
			targets[port.Port] = strconv.Itoa(port.Port)
		}
	}
	return targets, nil
}
