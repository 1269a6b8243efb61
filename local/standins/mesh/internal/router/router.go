// Package router is one of linkerd's routers: it names each request, binds the name through namerd,
// draws a destination by weight and passes the request on.
package router

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/follow"
	"linkerd-canary.local/mesh/internal/metrics"
	"linkerd-canary.local/mesh/internal/mtls"
)

// Settings are a router's.
type Settings struct {
	Label          string
	DstPrefix      dtab.Path
	Dtab           dtab.Dtab // entries before those of a request
	Header         string    // the one that names the service
	HeaderIsPath   bool      // it holds a path, not one element of a path
	Namerd         *follow.Namerd
	Transformers   []Transformer
	Retries        map[string]bool // the methods of requests that may be sent again after a failure
	Budget         Budget
	BindingTimeout time.Duration
	IdleTTL        time.Duration
	MostBindings   int
	TLS            *mtls.Client // to the endpoints; nil for none
	Pool           Pool
	TotalTimeout   time.Duration // of a request with its retries; 0 for none
}

// Router routes requests.
type Router struct {
	Settings
	stats      metrics.Scope
	bindings   *bindings
	dispatcher *dispatcher
	proxy      *httputil.ReverseProxy
}

// New makes a router, which forgets what is idle until ctx ends.
func New(ctx context.Context, settings Settings, registry *metrics.Registry) *Router {
	r := &Router{Settings: settings, stats: registry.Scope("rt", settings.Label)}
	r.bindings = &bindings{
		namerd:       settings.Namerd,
		transformers: settings.Transformers,
		stats:        r.stats,
		budget:       settings.Budget,
		idle:         settings.IdleTTL,
		most:         settings.MostBindings,
		connect:      connector(settings.TLS, settings.Pool),
		all:          map[string]*binding{},
		services:     map[string]*service{},
		clients:      map[string]*heldClient{},
	}
	go r.bindings.sweep(ctx)
	r.dispatcher = &dispatcher{router: r}
	r.proxy = &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      r.dispatcher,
		BufferPool:     &buffers{},
		ModifyResponse: modifyResponse,
		ErrorHandler:   writeFailure,
	}
	return r
}

// Server makes an entrance to a router. With clearContext it takes no headers of linkerd's from
// callers and tells them none. `secured` is nil for plain HTTP.
func (r *Router) Server(address string, clearContext bool, secured *mtls.Server) *Server {
	stats := r.stats.Below("server", address)
	return &Server{
		router:       r,
		clearContext: clearContext,
		secured:      secured,
		stats:        stats,
		requests:     metrics.NewRequests(stats),
	}
}

// Server is one of a router's.
type Server struct {
	router       *Router
	clearContext bool
	secured      *mtls.Server
	stats        metrics.Scope
	requests     *metrics.Requests
}

// Secure makes connections of TLS of a listener's, if the server is configured so.
func (s *Server) Secure(inner net.Listener) net.Listener {
	if s.secured == nil {
		return inner
	}
	return s.secured.Listener(inner, s.stats.Below("tls"))
}

// exchange is a request on its way through a router.
type exchange struct {
	*Server
	more   dtab.Dtab // that the caller brought along
	status int
}

type exchangeKey struct{}

// ServeHTTP routes one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	s.requests.Begin()
	x := &exchange{Server: s}
	defer func() { // also where Go's proxy gives up in the middle of an answer, by a panic
		s.requests.Done(x.status < http.StatusInternalServerError, time.Since(started))
	}()
	x.serve(w, r)
}

func (x *exchange) serve(w http.ResponseWriter, r *http.Request) {
	r.Header.Del("Upgrade") // hop by hop for linkerd, whatever it is for Go
	if x.clearContext {
		clearContext(r.Header)
	}
	more, err := takeDtab(r.Header)
	if err != nil {
		x.fail(w, &failure{status: http.StatusBadRequest, text: err.Error()})
		return
	}
	x.more = more
	path, why := x.router.identify(r)
	if why != "" {
		x.fail(w, unidentified(r, why))
		return
	}
	all := append(append(dtab.Dtab{}, x.router.Dtab...), more...)
	it := x.router.bindings.get(path, all)
	started := time.Now()
	it.service.requests.Begin()
	defer func() {
		it.service.requests.Done(x.status < http.StatusInternalServerError, time.Since(started))
	}()
	if err := x.router.dispatcher.await(r.Context(), it.ready, it); err != nil {
		x.fail(w, err)
		return
	}
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	x.router.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, bindingKey{}, it)))
}

// identify gives the name of the service that a request is for, or why it has none.
func (r *Router) identify(request *http.Request) (path dtab.Path, why string) {
	value := request.Host
	if r.Header != "Host" {
		value = request.Header.Get(r.Header)
	}
	if value == "" {
		return nil, r.Header + " header is absent"
	}
	if r.HeaderIsPath {
		if named, err := dtab.ParsePath(value); err == nil {
			return r.DstPrefix.Join(named...), ""
		}
	}
	return r.DstPrefix.Join(value), ""
}

// rewrite prepares a request for the next hop. What of it Go's proxy would drop is kept.
func rewrite(p *httputil.ProxyRequest) {
	x := p.In.Context().Value(exchangeKey{}).(*exchange)
	for _, name := range []string{
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
	} {
		if values, there := p.In.Header[name]; there {
			p.Out.Header[name] = values
		}
	}
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	p.Out.Host = p.In.Host
	addVia(p.Out.Header, p.In.ProtoMajor, p.In.ProtoMinor)
	setTrace(p.Out.Header)
	if len(x.more) > 0 {
		p.Out.Header.Set(contextDtab, x.more.String())
	}
}

// modifyResponse prepares an answer for the caller.
func modifyResponse(answer *http.Response) error {
	x := answer.Request.Context().Value(exchangeKey{}).(*exchange)
	x.status = answer.StatusCode
	addVia(answer.Header, answer.ProtoMajor, answer.ProtoMinor)
	class := "1.0"
	if answer.StatusCode >= http.StatusInternalServerError {
		class = "0.0"
	}
	answer.Header.Set(successClass, class)
	if !x.clearContext {
		return nil
	}
	if answer.Header.Get(linkerdError) != "" {
		_ = answer.Body.Close()
		answer.Body, answer.ContentLength = http.NoBody, 0
		answer.Header.Set("Content-Length", "0")
	}
	clearContext(answer.Header)
	return nil
}

// writeFailure answers for a request that got no answer.
func writeFailure(w http.ResponseWriter, r *http.Request, err error) {
	x := r.Context().Value(exchangeKey{}).(*exchange)
	x.fail(w, err)
}

// fail answers with a failure of linkerd's own; at a server that tells callers nothing, without text.
func (x *exchange) fail(w http.ResponseWriter, err error) {
	var known *failure
	if !errors.As(err, &known) {
		known = &failure{status: http.StatusBadGateway, text: err.Error()}
	}
	x.status = known.status
	if x.clearContext {
		w.WriteHeader(known.status)
		return
	}
	known.write(w)
}

// buffers lends the memory that bodies are copied through.
type buffers struct{ pool sync.Pool }

const bufferSize = 16 << 10

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }
