package main

import (
	"context"
	"strings"

	"linkerd-canary.local/mesh/internal/config"
	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/k8snamer"
	"linkerd-canary.local/mesh/internal/kube"
	"linkerd-canary.local/mesh/internal/naming"
	"linkerd-canary.local/mesh/internal/store"
)

const (
	thriftInterface = "io.l5d.thriftNameInterpreter" // serves the HTTP API here
	httpInterface   = "io.l5d.httpController"
	meshInterface   = "io.l5d.mesh"
)

// settings is a configuration file of namerd's.
type settings struct {
	admin      config.Admin
	makeStore  func(context.Context) store.Store
	namers     []naming.Mounted
	interfaces []iface
}

type iface struct {
	kind, ip string
	port     int
}

// defaults are the addresses that namerd serves at unless told otherwise.
var defaults = map[string]iface{
	thriftInterface: {thriftInterface, "0.0.0.0", 4100},
	httpInterface:   {httpInterface, "127.0.0.1", 4180},
	meshInterface:   {meshInterface, "0.0.0.0", 4321},
}

func load(file string) (*settings, error) {
	s := &settings{}
	return s, config.Load(file, func(o *config.Object) {
		s.admin = config.TakeAdmin(o, 9991)
		s.takeStorage(o)
		o.Each("namers", s.takeNamer)
		o.Each("interfaces", s.takeInterface)
		if len(s.interfaces) == 0 {
			o.Fail("interfaces is missing or empty")
		}
		o.Each("telemetry", func(t *config.Object) {
			t.Kind("io.l5d.prometheus", "io.l5d.recentRequests")
			t.Ignore("sampleRate", "capacity", "experimental")
		})
	})
}

func (s *settings) takeStorage(top *config.Object) {
	if !top.Has("storage") {
		top.Fail("storage is missing")
		return
	}
	o := top.Object("storage")
	defer o.Done()
	o.Ignore("experimental")
	if o.Kind("io.l5d.inMemory", "io.l5d.k8s") == "io.l5d.inMemory" {
		tables := takeTables(o)
		s.makeStore = func(context.Context) store.Store { return store.NewMemory(tables) }
		return
	}
	client, namespace := takeKube(o), o.String("namespace", "default")
	s.makeStore = func(ctx context.Context) store.Store {
		return store.NewKubernetes(ctx, client, namespace)
	}
}

// takeKube reads where the Kubernetes API is.
func takeKube(o *config.Object) *kube.Client {
	return kube.New(o.String("host", "localhost"), o.Port("port", 8001))
}

func takeTables(o *config.Object) map[string]dtab.Dtab {
	tables := map[string]dtab.Dtab{}
	for namespace, text := range o.Texts("namespaces") {
		table, err := dtab.Parse(text)
		if err != nil {
			o.Fail("namespaces.%s: %v", namespace, err)
		}
		tables[namespace] = table
	}
	return tables
}

func (s *settings) takeNamer(o *config.Object) {
	o.Kind("io.l5d.k8s")
	o.Ignore("experimental")
	o.NotDone("labelSelector", "transformers")
	prefix, err := dtab.ParsePath("/#/" + strings.TrimPrefix(o.String("prefix", "io.l5d.k8s"), "/"))
	if err != nil {
		o.Fail("prefix: %v", err)
	}
	for _, other := range s.namers {
		if other.Prefix.HasPrefix(prefix) || prefix.HasPrefix(other.Prefix) {
			o.Fail("Namers must not have overlapping prefixes: %s & %s", other.Prefix, prefix)
		}
	}
	s.namers = append(s.namers, naming.Mounted{Prefix: prefix, Namer: k8snamer.New(prefix, takeKube(o))})
}

func (s *settings) takeInterface(o *config.Object) {
	it := defaults[o.Kind(thriftInterface, httpInterface, meshInterface)]
	it.ip, it.port = o.String("ip", it.ip), o.Port("port", it.port)
	o.NotDone("tls") // rather than serve in the clear what should be secret
	o.Ignore("socketOptions", "cache", "retryBaseSecs", "retryJitterSecs")
	s.interfaces = append(s.interfaces, it)
}
