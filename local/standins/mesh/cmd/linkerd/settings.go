package main

import (
	"math"
	"net"
	"os"
	"strconv"
	"time"

	"linkerd-canary.local/mesh/internal/config"
	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/follow"
	"linkerd-canary.local/mesh/internal/k8snamer"
	"linkerd-canary.local/mesh/internal/kube"
	"linkerd-canary.local/mesh/internal/mtls"
	"linkerd-canary.local/mesh/internal/router"
)

// settings is a configuration file of linkerd's.
type settings struct {
	admin      config.Admin
	prometheus bool
	routers    []routerSettings
}

type routerSettings struct {
	router.Settings
	servers []serverSettings
}

type serverSettings struct {
	ip           string
	port         int
	clearContext bool
	tls          *mtls.Server
}

// name is how metrics call the server.
func (s serverSettings) name() string { return s.ip + "/" + strconv.Itoa(s.port) }

func load(file string) (*settings, error) {
	s := &settings{}
	return s, config.Load(file, func(o *config.Object) {
		s.admin = config.TakeAdmin(o, 9990)
		usage := o.Object("usage") // this program reports nothing to anybody
		usage.Ignore("enabled", "orgId")
		usage.Done()
		o.Each("telemetry", s.takeTelemetry)
		o.NotDone("namers")
		o.Each("routers", s.takeRouter)
		if len(s.routers) == 0 {
			o.Fail("routers is missing or empty")
		}
	})
}

func (s *settings) takeTelemetry(o *config.Object) {
	kind := o.Kind("io.l5d.prometheus", "io.l5d.recentRequests")
	s.prometheus = s.prometheus || kind == "io.l5d.prometheus"
	o.Ignore("experimental")
	if kind == "io.l5d.recentRequests" { // its page is not done here
		if !o.Has("sampleRate") {
			o.Fail("sampleRate is missing")
		}
		o.Float("sampleRate", 0)
		o.Int("capacity", 10)
	}
}

func (s *settings) takeRouter(o *config.Object) {
	if protocol := o.Required("protocol"); protocol != "http" {
		o.Fail("protocol %q is not done by the stand-in, only http", protocol)
	}
	it := routerSettings{}
	it.Label = o.String("label", "http")
	it.DstPrefix = takePath(o, "dstPrefix", "/svc")
	it.Dtab = takeDtab(o, "dtab")
	it.BindingTimeout = takeMilliseconds(o, "bindingTimeoutMs", 10*time.Second)
	o.Ignore("originator")
	takeIdentifier(o.Object("identifier"), &it)
	takeCache(o.Object("bindingCache"), &it)
	takeInterpreter(o, &it)
	takeService(o.Object("service"), &it)
	takeClient(o.Object("client"), &it)
	o.Each("servers", func(server *config.Object) { it.servers = append(it.servers, takeServer(server)) })
	if len(it.servers) == 0 {
		o.Fail("servers is missing or empty")
	}
	s.routers = append(s.routers, it)
}

func takePath(o *config.Object, key, fallback string) dtab.Path {
	path, err := dtab.ParsePath(o.String(key, fallback))
	if err != nil {
		o.Fail("%s: %v", key, err)
	}
	return path
}

func takeDtab(o *config.Object, key string) dtab.Dtab {
	table, err := dtab.Parse(o.String(key, ""))
	if err != nil {
		o.Fail("%s: %v", key, err)
	}
	return table
}

func takeMilliseconds(o *config.Object, key string, fallback time.Duration) time.Duration {
	return time.Duration(o.Int(key, int(fallback.Milliseconds()))) * time.Millisecond
}

func takeIdentifier(o *config.Object, it *routerSettings) {
	defer o.Done()
	it.Header = "Host"
	if !o.Has("kind") {
		return
	}
	if o.Kind("io.l5d.header.token", "io.l5d.header") == "io.l5d.header" {
		it.HeaderIsPath = true
		it.Header = o.String("header", "l5d-name")
		return
	}
	it.Header = o.String("header", "Host")
}

func takeCache(o *config.Object, it *routerSettings) {
	defer o.Done()
	it.MostBindings = o.Int("paths", 1000)
	it.IdleTTL = time.Duration(o.Int("idleTtlSecs", 600)) * time.Second
	o.Ignore("trees", "bounds", "clients")
}

func takeInterpreter(router *config.Object, it *routerSettings) {
	if !router.Has("interpreter") {
		router.Fail("interpreter is missing (the stand-in knows only io.l5d.namerd)")
		return
	}
	o := router.Object("interpreter")
	defer o.Done()
	o.Kind("io.l5d.namerd")
	o.NotDone("tls")
	o.Ignore("experimental")
	retry := takeRetry(o)
	dst := takePath(o, "dst", "/")
	if len(dst) != 4 || dst[0] != "$" || dst[1] != "inet" {
		o.Fail("dst must be /$/inet/HOST/PORT")
		return
	}
	it.Namerd = follow.New(net.JoinHostPort(dst[2], dst[3]), o.String("namespace", "default"), retry)
	o.Each("transformers", func(t *config.Object) {
		it.Transformers = append(it.Transformers, takeTransformer(t))
	})
}

func takeRetry(interpreter *config.Object) follow.Retry {
	if !interpreter.Has("retry") {
		return follow.DefaultRetry
	}
	o := interpreter.Object("retry")
	defer o.Done()
	base, most := o.Int("baseSeconds", 0), o.Int("maxSeconds", 0)
	if base <= 0 || most <= 0 || base > most {
		o.Fail("illegal retry values: baseSeconds=%d maxSeconds=%d", base, most)
	}
	return follow.Retry{
		Base: time.Duration(base) * time.Second, Max: time.Duration(most) * time.Second,
	}
}

func takeTransformer(o *config.Object) router.Transformer {
	switch o.Kind("io.l5d.k8s.daemonset", "io.l5d.k8s.localnode", "io.l5d.port", "io.l5d.localhost",
		"io.l5d.replace") {
	case "io.l5d.k8s.daemonset":
		client := kube.New(o.String("k8sHost", "localhost"), o.Port("k8sPort", 8001))
		namer := k8snamer.New(nil, client)
		namespace, service, port := o.Required("namespace"), o.Required("service"), o.Required("port")
		return router.DaemonSet(namer, namespace, service, port, o.Bool("hostNetwork", false))
	case "io.l5d.port":
		port := o.Port("port", 0)
		if port == 0 {
			o.Fail("port is missing")
		}
		return router.ReplacePort(port)
	case "io.l5d.replace":
		return takeReplace(o)
	case "io.l5d.localhost":
		own, err := ownAddresses()
		if err != nil {
			o.Fail("%v", err)
		}
		return router.Localhost(own)
	}
	if o.Bool("hostNetwork", false) {
		return router.LocalNodeByName(environment(o, "NODE_NAME", "the node's name"))
	}
	return router.LocalNode(environment(o, "POD_IP", "the pod's IP"))
}

func takeReplace(o *config.Object) router.Transformer {
	path := takePath(o, "path", "/")
	if len(path) == 4 && path[0] == "$" && path[1] == "inet" && net.ParseIP(path[2]) != nil {
		if port, err := strconv.ParseUint(path[3], 10, 16); err == nil {
			return router.Replace(path[2], int(port))
		}
	}
	o.Fail("the stand-in replaces names by /$/inet/IP/PORT only")
	return router.Transformer{}
}

// ownAddresses are those that the host's name has, such as a pod's in its /etc/hosts.
func ownAddresses() ([]string, error) {
	name, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return net.LookupHost(name)
}

func environment(o *config.Object, name, what string) string {
	value := os.Getenv(name)
	if value == "" {
		o.Fail("%s env variable must be set to %s", name, what)
	}
	return value
}

// retried are the methods that each response classifier allows to send again.
var retried = map[string][]string{
	"io.l5d.http.nonRetryable5XX":        {},
	"io.l5d.http.retryableRead5XX":       {"GET", "HEAD", "OPTIONS", "TRACE"},
	"io.l5d.http.retryableIdempotent5XX": {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"},
}

func takeService(o *config.Object, it *routerSettings) {
	defer o.Done()
	takeGlobalKind(o)
	it.TotalTimeout = takeMilliseconds(o, "totalTimeoutMs", 0)
	classifier := o.Object("responseClassifier")
	defer classifier.Done()
	if classifier.Has("kind") {
		kind := classifier.Kind("io.l5d.http.nonRetryable5XX", "io.l5d.http.retryableRead5XX",
			"io.l5d.http.retryableIdempotent5XX")
		it.Retries = map[string]bool{}
		for _, method := range retried[kind] {
			it.Retries[method] = true
		}
	}
	retries := o.Object("retries")
	defer retries.Done()
	retries.NotDone("backoff")
	budget := retries.Object("budget")
	defer budget.Done()
	it.Budget = router.Budget{
		TTL:       time.Duration(budget.Float("ttlSecs", router.DefaultBudget.TTL.Seconds()) * float64(time.Second)),
		PerSecond: budget.Float("minRetriesPerSec", router.DefaultBudget.PerSecond),
		Share:     budget.Float("percentCanRetry", router.DefaultBudget.Share),
	}
	if it.Budget.TTL < time.Second {
		budget.Fail("ttlSecs must be at least 1")
	}
}

func takeGlobalKind(o *config.Object) {
	if kind := o.String("kind", "io.l5d.global"); kind != "io.l5d.global" {
		o.Fail("kind %q is not done by the stand-in, only io.l5d.global", kind)
	}
}

func takeClient(o *config.Object, it *routerSettings) {
	defer o.Done()
	takeGlobalKind(o)
	o.NotDone("loadBalancer", "failureAccrual", "requeueBudget", "clientSession",
		"requestAttemptTimeoutMs", "failFast", "forwardClientCert")
	takePool(o.Object("hostConnectionPool"), it)
	if o.Has("tls") {
		it.TLS = takeClientTLS(o.Object("tls"))
	}
}

func takePool(o *config.Object, it *routerSettings) {
	defer o.Done()
	o.NotDone("minSize")
	it.Pool = router.Pool{
		Most:    o.Int("maxSize", math.MaxInt32),
		Waiters: o.Int("maxWaiters", math.MaxInt32),
		Idle:    takeMilliseconds(o, "idleTimeMs", 0),
	}
	if it.Pool.Most < 1 || it.Pool.Waiters < 0 {
		o.Fail("illegal sizes: maxSize=%d maxWaiters=%d", it.Pool.Most, it.Pool.Waiters)
	}
}

func takeServer(o *config.Object) serverSettings {
	server := serverSettings{
		ip:           o.String("ip", "127.0.0.1"),
		port:         o.Port("port", 4140),
		clearContext: o.Bool("clearContext", false),
	}
	o.NotDone("maxConcurrentRequests", "announce", "socketOptions", "addForwardedHeader",
		"timestampHeader")
	if o.Has("tls") {
		server.tls = takeServerTLS(o.Object("tls"))
	}
	return server
}
