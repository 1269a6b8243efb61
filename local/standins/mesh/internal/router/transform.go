package router

import (
	"net/netip"
	"slices"
	"strconv"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/k8snamer"
	"linkerd-canary.local/mesh/internal/live"
	"linkerd-canary.local/mesh/internal/naming"
)

// Transformer changes the endpoints of bound names; its prefix shows in their names.
type Transformer struct {
	Prefix   dtab.Path // starts with /%
	Replaces bool      // the prefix is all that shows, whatever name was bound
	// Apply gives the endpoints that take the place of others; false while that is not known.
	Apply func(*live.Reads, []naming.Address) ([]naming.Address, bool)
}

// DaemonSet sends requests to the pod of a DaemonSet that runs on the endpoint's node. The pods
// are those of a service; a node is a /24 of pod addresses, or with hostNetwork a node's name.
func DaemonSet(namer *k8snamer.Namer, namespace, service, port string, hostNetwork bool) Transformer {
	near := sameSubnet
	if hostNetwork {
		near = sameNode
	}
	return Transformer{
		Prefix: dtab.Path{"%", "io.l5d.k8s.daemonset", namespace, port, service},
		Apply: func(reads *live.Reads, endpoints []naming.Address) ([]naming.Address, bool) {
			pods, _, known := namer.Addresses(reads, namespace, service, port)
			return keep(pods, func(pod naming.Address) bool {
				for _, endpoint := range endpoints {
					if near(endpoint, pod) {
						return true
					}
				}
				return false
			}), known
		},
	}
}

// LocalNode keeps the endpoints of the own node: those in the /24 of the own pod's address.
func LocalNode(podIP string) Transformer {
	own := naming.Address{IP: podIP}
	return localNode(podIP, func(endpoint naming.Address) bool { return sameSubnet(own, endpoint) })
}

// LocalNodeByName keeps the endpoints that Kubernetes says are on a node of that name.
func LocalNodeByName(nodeName string) Transformer {
	own := naming.Address{Meta: map[string]any{"nodeName": nodeName}}
	return localNode(nodeName, func(endpoint naming.Address) bool { return sameNode(own, endpoint) })
}

// ReplacePort sends requests to another port of the endpoints' hosts.
func ReplacePort(port int) Transformer {
	return Transformer{
		Prefix: dtab.Path{"%", "io.l5d.port", strconv.Itoa(port)},
		Apply: func(_ *live.Reads, endpoints []naming.Address) ([]naming.Address, bool) {
			var changed []naming.Address
			seen := map[string]bool{}
			for _, each := range endpoints {
				if each.Port = port; !seen[each.IP] {
					seen[each.IP] = true
					changed = append(changed, each)
				}
			}
			return changed, true
		},
	}
}

// Replace sends requests to one address, wherever the bound name leads.
func Replace(ip string, port int) Transformer {
	to := []naming.Address{{IP: ip, Port: port}}
	return Transformer{
		Prefix:   dtab.Path{"%", "io.l5d.replace", "$", "inet", ip, strconv.Itoa(port)},
		Replaces: true,
		Apply: func(*live.Reads, []naming.Address) ([]naming.Address, bool) {
			return to, true
		},
	}
}

// Localhost keeps the endpoints whose address is one of the own host's.
func Localhost(own []string) Transformer {
	return Transformer{
		Prefix: dtab.Path{"%", "io.l5d.localhost"},
		Apply: func(_ *live.Reads, endpoints []naming.Address) ([]naming.Address, bool) {
			return keep(endpoints, func(e naming.Address) bool { return slices.Contains(own, e.IP) }), true
		},
	}
}

func localNode(name string, local func(naming.Address) bool) Transformer {
	return Transformer{
		Prefix: dtab.Path{"%", "io.l5d.k8s.localnode", name},
		Apply: func(_ *live.Reads, endpoints []naming.Address) ([]naming.Address, bool) {
			return keep(endpoints, local), true
		},
	}
}

func keep(addresses []naming.Address, wanted func(naming.Address) bool) []naming.Address {
	var kept []naming.Address
	for _, address := range addresses {
		if wanted(address) {
			kept = append(kept, address)
		}
	}
	return kept
}

// sameSubnet compares the first 24 bits of two addresses.
func sameSubnet(a, b naming.Address) bool {
	first, err := netip.ParseAddr(a.IP)
	if err != nil {
		return false
	}
	second, err := netip.ParseAddr(b.IP)
	if err != nil {
		return false
	}
	subnet, err := first.Unmap().Prefix(24)
	return err == nil && subnet.Contains(second.Unmap())
}

func sameNode(a, b naming.Address) bool { return a.Meta["nodeName"] == b.Meta["nodeName"] }
