package loadbalancer

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/cloud-provider/api"
)

func service(name, asked, given string) *v1.Service {
	service := &v1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: name, UID: types.UID(name)},
		Spec:       v1.ServiceSpec{Type: v1.ServiceTypeLoadBalancer, LoadBalancerIP: asked},
	}
	if given != "" {
		service.Status.LoadBalancer.Ingress = []v1.LoadBalancerIngress{{IP: given}}
	}
	return service
}

func poolOf(t *testing.T, prefix string, known ...*v1.Service) *pool {
	t.Helper()
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	for _, service := range known {
		if err := indexer.Add(service); err != nil {
			t.Fatal(err)
		}
	}
	return &pool{prefix: netip.MustParsePrefix(prefix), services: corelisters.NewServiceLister(indexer)}
}

func (p *pool) want(t *testing.T, service *v1.Service, address string) {
	t.Helper()
	status, err := p.EnsureLoadBalancer(context.Background(), "", service, nil)
	if err != nil {
		t.Fatalf("%s: %v", service.Name, err)
	}
	if got := status.Ingress[0].IP; got != address {
		t.Fatalf("%s got %s, not %s", service.Name, got, address)
	}
}

func (p *pool) refuse(t *testing.T, service *v1.Service) {
	t.Helper()
	_, err := p.EnsureLoadBalancer(context.Background(), "", service, nil)
	var retry *api.RetryError
	if !errors.As(err, &retry) {
		t.Fatalf("%s: %v, not an error to try again after", service.Name, err)
	}
}

func (p *pool) free(t *testing.T, service *v1.Service) {
	t.Helper()
	if err := p.EnsureLoadBalancerDeleted(context.Background(), "", service); err != nil {
		t.Fatal(err)
	}
}

func TestEachServiceHasAnAddressOfItsOwnUntilThePoolIsEmpty(t *testing.T) {
	p := poolOf(t, "198.18.64.0/29")
	for i, address := range []string{"1", "2", "3", "4", "5", "6"} {
		p.want(t, service(string(rune('a'+i)), "", ""), "198.18.64."+address)
	}
	p.refuse(t, service("late", "", ""))
	p.free(t, service("c", "", ""))
	p.want(t, service("late", "", ""), "198.18.64.3")
}

func TestAServiceKeepsItsAddressAcrossARestart(t *testing.T) {
	old, gone := service("old", "", "198.18.64.2"), service("gone", "", "198.18.64.1")
	p := poolOf(t, "198.18.64.0/24", old, gone)
	p.want(t, service("new", "", ""), "198.18.64.3")
	p.want(t, old, "198.18.64.2")
	p.free(t, gone)
	p.want(t, service("newer", "", ""), "198.18.64.1")
}

func TestAnAddressThatIsAskedFor(t *testing.T) {
	p := poolOf(t, "198.18.64.0/24")
	first := service("first", "198.18.64.77", "")
	p.want(t, first, "198.18.64.77")
	p.refuse(t, service("second", "198.18.64.77", ""))
	first.Spec.LoadBalancerIP = "198.18.64.78"
	p.want(t, first, "198.18.64.78")
	p.want(t, service("second", "198.18.64.77", ""), "198.18.64.77")
}

func TestAnAddressOutsideThePoolIsRefused(t *testing.T) {
	p := poolOf(t, "198.18.64.0/24")
	for _, asked := range []string{"203.0.113.7", "198.18.64.0", "198.18.64.255", "fd00::1", "here"} {
		p.refuse(t, service("stray", asked, ""))
	}
}
