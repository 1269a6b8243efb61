package router

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// dispatcher sends requests to where their bindings lead. It is the transport of a router's reverse
// proxy; the binding of a request is in its context.
type dispatcher struct{ router *Router }

type bindingKey struct{}

// RoundTrip sends a request and waits for the answer for as long as all attempts together may take.
func (d *dispatcher) RoundTrip(request *http.Request) (*http.Response, error) {
	limit := d.router.TotalTimeout
	if limit == 0 {
		return d.attempt(request)
	}
	ctx, cancel := context.WithCancel(request.Context())
	timer := time.AfterFunc(limit, cancel)
	answer, err := d.attempt(request.WithContext(ctx))
	inTime := timer.Stop()
	switch {
	case inTime && err == nil:
		answer.Body = &onClose{ReadCloser: answer.Body, then: cancel}
		return answer, nil
	case err == nil:
		_ = answer.Body.Close()
	}
	cancel()
	if !inTime {
		return nil, answeredTooSlowly(limit)
	}
	return nil, err
}

// attempt sends a request, again if that may help and is allowed.
func (d *dispatcher) attempt(request *http.Request) (*http.Response, error) {
	it := request.Context().Value(bindingKey{}).(*binding)
	body, err := keepBody(request)
	if err != nil {
		return nil, err
	}
	it.service.purse.deposit()
	for {
		body.rewind(request)
		answer, err := d.once(request, it)
		failed := err != nil || answer.StatusCode >= http.StatusInternalServerError
		if !failed || !d.mayRetry(request, body, answer, err) {
			return answer, err
		}
		if !it.service.purse.withdraw() {
			it.service.noBudget.Add()
			return answer, err
		}
		it.service.retries.Add()
		if answer != nil {
			_ = answer.Body.Close()
		}
	}
}

// mayRetry tells whether a failed request may be sent again: one that only reads, by the router's
// classifier, or one that the next linkerd calls retryable. Requests whose body is gone may not.
func (d *dispatcher) mayRetry(
	request *http.Request, body *body, answer *http.Response, err error,
) bool {
	if body.streamed || request.Context().Err() != nil {
		return false
	}
	if answer != nil && answer.Header.Get(retryable) == "true" {
		return true
	}
	if known, ok := err.(*failure); ok && known.final {
		return false
	}
	return d.router.Retries[request.Method]
}

// once draws a client and sends the request to its endpoints until one takes the connection.
func (d *dispatcher) once(request *http.Request, it *binding) (*http.Response, error) {
	drawn := it.current.Load().draw()
	if drawn.client == nil {
		return nil, noBrokers(it, d.router.Dtab)
	}
	if err := d.await(request.Context(), drawn.client.ready, it); err != nil {
		return nil, err
	}
	setDestination(request.Header, it, drawn)
	var last *endpoint
	tried := map[*endpoint]bool{}
	for attempts := 0; ; attempts++ {
		to := drawn.client.pick(tried)
		if to == nil && last != nil && attempts < mostAttempts && !last.rests(time.Now()) {
			to = last
		}
		switch {
		case to == nil && last == nil:
			return nil, noBrokers(it, d.router.Dtab)
		case to == nil:
			return nil, unreachable(it, drawn.client, last.address)
		}
		answer, err := d.send(request, it.service, drawn.client, to)
		if err != errNeverSent || request.Context().Err() != nil {
			return answer, err
		}
		tried[to], last = true, to
	}
}

// mostAttempts is how often a request is tried where all endpoints refuse connections, if there are
// not more of them.
const mostAttempts = 3

func setDestination(header http.Header, it *binding, drawn *route) {
	header.Set(dstService, it.service.path.String())
	header.Set(dstClient, "/"+drawn.client.label)
	header.Del(dstResidual)
	if drawn.residual != "" {
		header.Set(dstResidual, drawn.residual)
	}
}

// await waits for something about a binding, for as long as binding may take.
func (d *dispatcher) await(ctx context.Context, ready <-chan struct{}, it *binding) error {
	select {
	case <-ready:
		return nil
	default:
	}
	timer := time.NewTimer(d.router.BindingTimeout)
	defer timer.Stop()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return bindingTooSlow(it.service.path, d.router.BindingTimeout)
	}
}

// errNeverSent is that of a request for which no connection was had.
var errNeverSent = errors.New("no connection")

// send sends a request to one endpoint and counts it, unless it never left.
func (d *dispatcher) send(
	request *http.Request, asked *service, by *client, to *endpoint,
) (*http.Response, error) {
	counted := by.counters(asked.label)
	defer by.used()
	if to.inFlight.Add(1) > by.pool.most() {
		to.inFlight.Add(-1)
		return nil, tooManyWaiters(to.address)
	}
	for _, each := range counted {
		each.Begin()
	}
	started := time.Now()
	answer, connected, err := by.pool.send(request, to.address)
	took := time.Since(started)
	if !connected {
		to.inFlight.Add(-1)
		if request.Context().Err() == nil { // else it is its caller who did not wait
			to.refused()
		}
		by.stats.Below("service_creation").Counter("failures").Add()
		for _, each := range counted {
			each.Withdraw()
		}
		return nil, errNeverSent
	}
	// One that its caller has given up counts as a failure, too.
	succeeded := err == nil && answer.StatusCode < http.StatusInternalServerError
	for _, each := range counted {
		each.Done(succeeded, took)
	}
	if err != nil {
		to.inFlight.Add(-1)
		return nil, broken(err, to.address)
	}
	to.answered()
	answer.Body = &onClose{ReadCloser: answer.Body, then: func() { to.inFlight.Add(-1) }}
	return answer, nil
}

// onClose does something once when a body is closed.
type onClose struct {
	io.ReadCloser
	then func()
}

func (o *onClose) Close() error {
	if o.then != nil {
		o.then()
		o.then = nil
	}
	return o.ReadCloser.Close()
}

// maxKept is how long a body may be to be kept for a retry (linkerd's default maxRequestKB).
const maxKept = 5 << 20

// body is a request's, kept where it may be sent again.
type body struct {
	kept     []byte
	streamed bool // its length is not known, or too long
}

func keepBody(request *http.Request) (*body, error) {
	switch {
	case request.Body == nil || request.Body == http.NoBody:
		return &body{}, nil
	case request.ContentLength < 0 || request.ContentLength > maxKept:
		return &body{streamed: true}, nil
	}
	kept, err := io.ReadAll(request.Body)
	_ = request.Body.Close()
	return &body{kept: kept}, err
}

func (b *body) rewind(request *http.Request) {
	if b.kept != nil {
		open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.kept)), nil }
		request.GetBody = open
		request.Body, _ = open()
	}
}
