package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"linkerd-canary.local/mesh/internal/metrics"
)

// Server is how a server proves who it is, and whose certificates callers need.
type Server struct {
	Pair
	ClientCA string // a file; "" asks callers for no certificate
}

// Listener makes connections of TLS of a listener's, and counts them at a place.
func (s Server) Listener(inner net.Listener, stats metrics.Scope) net.Listener {
	stats.Gauge("connections")
	return &listener{Listener: inner, server: s, stats: stats}
}

type listener struct {
	net.Listener
	server Server
	stats  metrics.Scope
}

func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &accepting{Conn: accepted, listener: l}, nil
}

// accepting is a connection whose handshake is done at the first read: by then the HTTP server reads
// it in a goroutine of its own.
type accepting struct {
	net.Conn // changed once, by the handshake
	changing sync.Mutex
	listener *listener
	begun    bool
	failed   bool
}

func (a *accepting) Close() error {
	a.changing.Lock() // the server closes it when it stops, whatever it reads
	defer a.changing.Unlock()
	return a.Conn.Close()
}

func (a *accepting) Read(into []byte) (int, error) {
	if !a.begun {
		a.begun = true
		if err := a.handshake(); err != nil {
			logFailure("from", a.RemoteAddr(), err)
			a.failed = true
		}
	}
	if a.failed {
		return 0, io.EOF // to which the HTTP server answers nothing
	}
	return a.Conn.Read(into)
}

func (a *accepting) handshake() error {
	settings, err := a.listener.server.load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	started := time.Now()
	secured := tls.Server(a.Conn, settings)
	if err := secured.HandshakeContext(ctx); err != nil {
		return err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	a.Conn = opened(secured, a.listener.stats, time.Since(started))
	return nil
}

func (s Server) load() (*tls.Config, error) {
	pair, err := s.Pair.load()
	if err != nil {
		return nil, err
	}
	config := settings()
	config.Certificates = []tls.Certificate{pair}
	if s.ClientCA == "" {
		return config, nil
	}
	roots, err := authorities([]string{s.ClientCA})
	config.ClientAuth = tls.RequestClientCert
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("PEER_DID_NOT_RETURN_A_CERTIFICATE")
		}
		return verifyChain(state, roots)
	}
	return config, err
}
