// Package mtls is TLS between linkerds. As in the real one, files are read anew for each connection:
// one that is missing, broken or expired fails that connection, never the start.
package mtls

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Pair is a certificate and its key, in PKCS#8.
type Pair struct{ CertPath, KeyPath string }

// load reads both. Of a file with a chain only the first certificate is used. Keys are of the kinds
// that twitter/util's PrivateKeyFile tries.
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
	parsed, err := x509.ParsePKCS8PrivateKey(key.Bytes)
	if err == nil {
		err = kind(parsed)
	}
	if err != nil {
		return none, fmt.Errorf("PrivateKeyFile (%s) failed to load: %w", p.KeyPath, err)
	}
	pair, err := tls.X509KeyPair(pem.EncodeToMemory(certificate), pem.EncodeToMemory(key))
	if err != nil {
		return none, fmt.Errorf("CERTIFICATE_AND_PRIVATE_KEY_MISMATCH: %w", err)
	}
	return pair, nil
}

// kind refuses a key that is none of RSA and EC: of DSA, the third, Go reads no PKCS#8.
func kind(key any) error {
	switch key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
		return nil
	}
	return errors.New("None of RSA, DSA, EC worked")
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

// first gives a file's first block of a kind. As to twitter/util's PemFile, its first and last line
// have to be exact, and between them is base64 without blanks.
func first(file, kind string) (*pem.Block, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	begin, end := "-----BEGIN "+kind+"-----", "-----END "+kind+"-----"
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	at := slices.Index(lines, begin)
	if at < 0 {
		return nil, missing(file, begin)
	}
	length := slices.Index(lines[at+1:], end)
	if length < 0 {
		return nil, missing(file, end)
	}
	content := strings.Join(lines[at+1:at+1+length], "")
	decoded, err := base64.StdEncoding.DecodeString(content)
	if err != nil {
		return nil, fmt.Errorf("PemFile (%s) failed to load: %w", file, err)
	}
	return &pem.Block{Type: kind, Bytes: decoded}, nil
}

func missing(file, line string) error {
	return fmt.Errorf("InvalidPemFormatException: PemFile (%s) failed to load: Missing %s", file, line)
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
