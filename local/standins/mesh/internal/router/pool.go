package router

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	"linkerd-canary.local/mesh/internal/metrics"
	"linkerd-canary.local/mesh/internal/mtls"
)

// Pool bounds the connections of a client to each of its endpoints.
type Pool struct {
	Most    int           // connections
	Waiters int           // requests that may wait for one of them
	Idle    time.Duration // after which a connection is closed; 0 keeps them
}

// connectTimeout is Finagle's default.
const connectTimeout = time.Second

// bufferedAnswer is how long an answer may be to be read to its end before it is passed on (linkerd's
// default streamAfterContentLengthKB).
const bufferedAnswer = 5 << 10

// pool is the connections of one client.
type pool struct {
	Pool
	scheme    string
	transport *http.Transport
}

// connector gives what makes the pools of a router's clients, which count connections at a place.
func connector(secured *mtls.Client, bounds Pool) func(metrics.Scope) *pool {
	dial := (&net.Dialer{Timeout: connectTimeout}).DialContext
	return func(stats metrics.Scope) *pool {
		made := &pool{Pool: bounds, scheme: "http"}
		made.transport = &http.Transport{
			Proxy:                 nil,
			DialContext:           dial,
			DisableCompression:    true,
			MaxConnsPerHost:       bounds.Most,
			MaxIdleConnsPerHost:   math.MaxInt32,
			IdleConnTimeout:       bounds.Idle,
			ExpectContinueTimeout: time.Second,
		}
		if secured != nil {
			made.scheme = "https"
			made.transport.DialTLSContext = func(
				ctx context.Context, network, address string,
			) (net.Conn, error) {
				plain, err := dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return secured.Handshake(ctx, plain, stats.Below("tls"))
			}
		}
		return made
	}
}

// most is how many requests may be under way to an endpoint or wait for it.
func (p *pool) most() int32 { return int32(min(p.Most+p.Waiters, math.MaxInt32)) }

func (p *pool) close() { p.transport.CloseIdleConnections() }

// send sends a request to an address and tells whether it got a connection. A short answer is read
// to its end, so that one that breaks off is an error.
func (p *pool) send(request *http.Request, address string) (*http.Response, bool, error) {
	connected := false
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }}
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	to := *request.URL
	to.Scheme, to.Host = p.scheme, address
	request.URL = &to
	answer, err := p.transport.RoundTrip(request)
	if err == nil && answer.ContentLength > 0 && answer.ContentLength <= bufferedAnswer {
		err = readAll(answer)
	}
	return answer, connected, err
}

func readAll(answer *http.Response) error {
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return err
}
