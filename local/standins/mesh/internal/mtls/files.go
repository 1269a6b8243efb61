// Package mtls is TLS between linkerds. As in the real one, files are read anew for each connection:
// one that is missing, broken or expired fails that connection, never the start.
package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

// Pair is a certificate and its key, in PKCS#8.
type Pair struct{ CertPath, KeyPath string }

// load reads both. Of a file with a chain only the first certificate is used.
func (p Pair) load() (none tls.Certificate, err error) {
	certificate, err := first(p.CertPath, "CERTIFICATE")
	if err != nil {
		return none, err
	}
	leaf, err := x509.ParseCertificate(certificate.Bytes)
	if err != nil {
		return none, fmt.Errorf("X509Certificate (%s) failed to load: %w", p.CertPath, err)
	}
	if err := inDate(leaf); err != nil {
		return none, fmt.Errorf("X509Certificate (%s) failed to load: %w", p.CertPath, err)
	}
	key, err := first(p.KeyPath, "PRIVATE KEY")
	if err != nil {
		return none, err
	}
	if _, err := x509.ParsePKCS8PrivateKey(key.Bytes); err != nil {
		return none, fmt.Errorf("PrivateKey (%s) failed to load: %w", p.KeyPath, err)
	}
	pair, err := tls.X509KeyPair(pem.EncodeToMemory(certificate), pem.EncodeToMemory(key))
	if err != nil {
		return none, fmt.Errorf("CERTIFICATE_AND_PRIVATE_KEY_MISMATCH: %w", err)
	}
	return pair, nil
}

func inDate(certificate *x509.Certificate) error {
	now := time.Now()
	switch {
	case now.After(certificate.NotAfter):
		return fmt.Errorf("NotAfter: %s", certificate.NotAfter)
	case now.Before(certificate.NotBefore):
		return fmt.Errorf("NotBefore: %s", certificate.NotBefore)
	}
	return nil
}

// first gives a file's first block of a kind.
func first(file, kind string) (*pem.Block, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("InvalidPemFormatException: PEM file (%s) failed to load: "+
				"Missing -----BEGIN %s-----", file, kind)
		}
		if block.Type == kind {
			return block, nil
		}
	}
}

// authorities reads all certificates of some files.
func authorities(files []string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("no certificate in %s", file)
		}
	}
	return pool, nil
}
