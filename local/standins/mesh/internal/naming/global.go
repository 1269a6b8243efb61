package naming

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
)

// lookupGlobal serves the names below "/$/": addresses, "/$/nil", "/$/fail", and linkerd's rewriting
// namers. Other names are Neg.
func lookupGlobal(reads *live.Reads, path dtab.Path) (dtab.Tree[Name], bool, error) {
	if len(path) < 2 || path[0] != "$" {
		return neg, true, nil
	}
	rest := path[2:]
	switch kind := path[1]; kind {
	case "nil":
		return dtab.Tree[Name]{Kind: dtab.Empty}, true, nil
	case "fail":
		return dtab.Tree[Name]{Kind: dtab.Fail}, true, nil
	case "inet":
		return lookupInet(path, rest), true, nil
	case "io.buoyant.rinet":
		if len(rest) < 2 {
			return neg, true, nil
		}
		return inetLeaf(rest[1], rest[0], path[:4], path[4:]), true, nil
	case "io.buoyant.hostportPfx", "io.buoyant.porthostPfx":
		return rewriteHostPort(rest, kind == "io.buoyant.porthostPfx"), true, nil
	case "io.buoyant.http.subdomainOfPfx":
		return rewriteSubdomain(rest), true, nil
	default:
		return neg, false, fmt.Errorf("Unknown namer: %s for path: %s", kind, path)
	}
}

// lookupInet takes /$/inet/HOST/PORT and /$/inet/PORT.
func lookupInet(path, rest dtab.Path) dtab.Tree[Name] {
	if len(rest) >= 2 && isNumber(rest[1]) {
		return inetLeaf(rest[0], rest[1], path[:4], path[4:])
	}
	if len(rest) >= 1 && isNumber(rest[0]) {
		return inetLeaf("0.0.0.0", rest[0], path[:3], path[3:])
	}
	return neg
}

func isNumber(text string) bool {
	_, err := strconv.ParseInt(text, 10, 32)
	return err == nil
}

func inetLeaf(host, port string, id, residual dtab.Path) dtab.Tree[Name] {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return neg
	}
	addr := func(reads *live.Reads) (Addr, bool) { return resolve(reads, host, int(number)) }
	return dtab.LeafOf(Name{Bound: &Bound{ID: id, Residual: residual, Addr: addr}})
}

// resolveEvery is how often a host name in use is resolved again (Finagle's default).
const resolveEvery = 5 * time.Second

var hosts = struct {
	sync.Mutex
	cells map[string]*live.Cell[[]string]
}{cells: map[string]*live.Cell[[]string]{}}

// resolve gives the addresses of a host; none (Neg) if it has none.
func resolve(reads *live.Reads, host string, port int) (Addr, bool) {
	if ip := net.ParseIP(host); ip != nil {
		return Addr{Bound: true, Addrs: []Address{{IP: ip.String(), Port: port}}}, true
	}
	ips, known := hostCell(host).Read(reads)
	addr := Addr{Bound: len(ips) > 0}
	for _, ip := range ips {
		addr.Addrs = append(addr.Addrs, Address{IP: ip, Port: port})
	}
	return addr, known
}

func hostCell(host string) *live.Cell[[]string] {
	hosts.Lock()
	defer hosts.Unlock()
	cell := hosts.cells[host]
	if cell == nil {
		poll := func(ctx context.Context, cell *live.Cell[[]string]) { pollHost(ctx, host, cell) }
		forget := func() {
			hosts.Lock()
			defer hosts.Unlock()
			delete(hosts.cells, host)
		}
		cell = live.NewFed(resolveEvery, poll, forget)
		hosts.cells[host] = cell
	}
	return cell
}

func pollHost(ctx context.Context, host string, cell *live.Cell[[]string]) {
	for ctx.Err() == nil {
		ips, err := net.DefaultResolver.LookupHost(ctx, host)
		if before, known := cell.Peek(); err == nil || !known || len(before) == 0 {
			cell.Set(ips)
		}
		select {
		case <-ctx.Done():
		case <-time.After(resolveEvery):
		}
	}
}

// dnsLabel is what may stand for a port behind a colon: a number or a port's name.
var dnsLabel = regexp.MustCompile(`^[a-z0-9][-a-z0-9]{0,62}$`)

// rewriteHostPort turns /PFX/HOST:PORT/REST into /PFX/HOST/PORT/REST, or with the port first.
func rewriteHostPort(path dtab.Path, portFirst bool) dtab.Tree[Name] {
	if len(path) < 2 {
		return neg
	}
	parts := strings.Split(path[1], ":")
	if len(parts) != 2 || !dnsLabel.MatchString(parts[1]) {
		return neg
	}
	if portFirst {
		parts[0], parts[1] = parts[1], parts[0]
	}
	rewritten := dtab.Path{path[0]}.Join(parts...).Join(path[2:]...)
	return dtab.LeafOf(Name{Path: rewritten})
}

// httpHost is what linkerd takes for a host in its rewriting namers.
var httpHost = regexp.MustCompile(`^[A-Za-z0-9.:_-]+$`)

// rewriteSubdomain turns /DOMAIN/PFX/SUB.DOMAIN/REST into /PFX/SUB/REST, and SUB.DOMAIN:PORT likewise.
func rewriteSubdomain(path dtab.Path) dtab.Tree[Name] {
	if len(path) < 3 || !httpHost.MatchString(path[0]) || !httpHost.MatchString(path[2]) {
		return neg
	}
	sub, found := strings.CutSuffix(withoutPort(path[2]), "."+path[0])
	if !found || sub == "" {
		return neg
	}
	return dtab.LeafOf(Name{Path: dtab.Path{path[1], sub}.Join(path[3:]...)})
}

// withoutPort is a host up to its first colon, unless that is its first character.
func withoutPort(host string) string {
	if name, _, found := strings.Cut(host, ":"); found && name != "" {
		return name
	}
	return host
}
