package loadbalancer

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/cloud-provider/api"
)

// A service that cannot have an address now is tried again after this long.
const retryAfter = 2 * time.Second

// pool gives each LoadBalancer service an address of its own. It is what the
// service controller calls a cloud's LoadBalancer; the traffic itself needs
// nothing here, kube-proxy turns what comes for an address in a service's status.
type pool struct {
	prefix   netip.Prefix
	services corelisters.ServiceLister

	mu    sync.Mutex
	taken map[netip.Addr]types.UID // nil until learned from the services' statuses
}

// learn takes the addresses that were given before this process started.
func (p *pool) learn() error {
	if p.taken != nil {
		return nil
	}
	services, err := p.services.List(labels.Everything())
	if err != nil {
		return err
	}
	p.taken = map[netip.Addr]types.UID{}
	for _, service := range services {
		if addr, ok := p.given(service); ok && service.Spec.Type == v1.ServiceTypeLoadBalancer {
			p.taken[addr] = service.UID
		}
	}
	return nil
}

// given is the address of this pool that a service's status shows.
func (p *pool) given(service *v1.Service) (netip.Addr, bool) {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if addr, err := netip.ParseAddr(ingress.IP); err == nil && p.prefix.Contains(addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// choose picks the address a service gets: the one it asks for, else the one
// it has, else the first that is free.
func (p *pool) choose(service *v1.Service) (netip.Addr, error) {
	if asked := service.Spec.LoadBalancerIP; asked != "" {
		addr, err := netip.ParseAddr(asked)
		if err != nil || !p.usable(addr) {
			return addr, fmt.Errorf("spec.loadBalancerIP %s is not an address of the node's pool %s", asked, p.prefix)
		}
		if owner, used := p.taken[addr]; used && owner != service.UID {
			return addr, fmt.Errorf("spec.loadBalancerIP %s is another service's", asked)
		}
		return addr, nil
	}
	if addr, ok := p.given(service); ok && p.taken[addr] == service.UID {
		return addr, nil
	}
	for addr := p.prefix.Addr().Next(); p.usable(addr); addr = addr.Next() {
		if _, used := p.taken[addr]; !used {
			return addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("every address of the node's pool %s is in use", p.prefix)
}

// usable leaves out the pool's first and last address, which people take for
// the network's own and its broadcast.
func (p *pool) usable(addr netip.Addr) bool {
	return p.prefix.Contains(addr) && p.prefix.Contains(addr.Next()) && addr != p.prefix.Addr()
}

// release forgets every address of a service but the one to keep.
func (p *pool) release(uid types.UID, keep netip.Addr) {
	for addr, owner := range p.taken {
		if owner == uid && addr != keep {
			delete(p.taken, addr)
		}
	}
}

// EnsureLoadBalancer returns the status that a service shall have.
func (p *pool) EnsureLoadBalancer(_ context.Context, _ string, service *v1.Service, _ []*v1.Node) (*v1.LoadBalancerStatus, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.learn(); err != nil {
		return nil, err
	}
	addr, err := p.choose(service)
	if err != nil {
		return nil, api.NewRetryError(err.Error(), retryAfter)
	}
	p.release(service.UID, addr)
	p.taken[addr] = service.UID
	mode := v1.LoadBalancerIPModeVIP
	return &v1.LoadBalancerStatus{Ingress: []v1.LoadBalancerIngress{{IP: addr.String(), IPMode: &mode}}}, nil
}

// EnsureLoadBalancerDeleted frees a service's address.
func (p *pool) EnsureLoadBalancerDeleted(_ context.Context, _ string, service *v1.Service) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.learn(); err != nil {
		return err
	}
	p.release(service.UID, netip.Addr{})
	return nil
}

// GetLoadBalancer says whether a service has an address here. It always does
// as far as cleaning up goes: freeing what is not taken is harmless.
func (p *pool) GetLoadBalancer(_ context.Context, _ string, service *v1.Service) (*v1.LoadBalancerStatus, bool, error) {
	return service.Status.LoadBalancer.DeepCopy(), true, nil
}

// GetLoadBalancerName names a service's load balancer.
func (p *pool) GetLoadBalancerName(_ context.Context, _ string, service *v1.Service) string {
	return service.Namespace + "/" + service.Name
}

// UpdateLoadBalancer has nothing to do: the one node is always the same.
func (p *pool) UpdateLoadBalancer(context.Context, string, *v1.Service, []*v1.Node) error {
	return nil
}
