package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"linkerd-canary.local/mesh/internal/metrics"
)

// Client is what endpoints have to prove, and how a caller proves who it is.
type Client struct {
	CommonName string   // "" takes whoever answers
	Trusted    []string // files of authorities
	Auth       *Pair    // nil for none
}

// Handshake makes TLS of a connection, which is closed if that fails.
func (c *Client) Handshake(
	ctx context.Context, inner net.Conn, stats metrics.Scope,
) (net.Conn, error) {
	started := time.Now()
	secured, err := c.handshake(ctx, inner)
	if err != nil {
		logFailure("to", inner.RemoteAddr(), err)
		_ = inner.Close()
		return nil, err
	}
	return opened(secured, stats, time.Since(started)), nil
}

func (c *Client) handshake(ctx context.Context, inner net.Conn) (*tls.Conn, error) {
	config, err := c.load()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	secured := tls.Client(inner, config)
	return secured, secured.HandshakeContext(ctx)
}

func (c *Client) load() (*tls.Config, error) {
	config := settings()
	config.ServerName = c.CommonName
	config.InsecureSkipVerify = true // VerifyConnection does what Go's own check would not
	if c.Auth != nil {
		pair, err := c.Auth.load()
		if err != nil {
			return nil, err
		}
		// Sent whatever authorities the server names: it is the server that refuses it.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &pair, nil
		}
	}
	if c.CommonName == "" {
		return config, nil
	}
	roots, err := authorities(c.Trusted)
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if err := verifyChain(state, roots); err != nil {
			return err
		}
		return verifyName(state.PeerCertificates[0], c.CommonName)
	}
	return config, err
}

func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, each := range state.PeerCertificates[1:] {
		between.AddCert(each)
	}
	options := x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return fmt.Errorf("PKIX path building failed: unable to find valid certification path: %w", err)
	}
	return nil
}

// verifyName looks at alternative names where there are any, and else at the subject's common name.
func verifyName(leaf *x509.Certificate, name string) error {
	switch {
	case len(leaf.DNSNames) > 0 && leaf.VerifyHostname(name) != nil:
		return fmt.Errorf("No subject alternative DNS name matching %s found", name)
	case len(leaf.DNSNames) == 0 && leaf.Subject.CommonName != name:
		return fmt.Errorf("No name matching %s found", name)
	}
	return nil
}
