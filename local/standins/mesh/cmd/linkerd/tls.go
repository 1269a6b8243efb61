package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"linkerd-canary.local/mesh/internal/config"
)

// takeServerTLS reads how a server proves who it is, and whether callers have to.
func takeServerTLS(o *config.Object) *tls.Config {
	defer o.Done()
	settings := &tls.Config{
		Certificates: []tls.Certificate{takeCertificate(o)},
		MinVersion:   tls.VersionTLS12,
	}
	if o.Bool("requireClientAuth", false) {
		settings.ClientAuth = tls.RequireAndVerifyClientCert
		settings.ClientCAs = authorities(o, "caCertPath", []string{o.Required("caCertPath")})
	} else {
		o.Ignore("caCertPath")
	}
	return settings
}

// takeClientTLS reads what endpoints have to prove, and how a caller proves who it is.
func takeClientTLS(o *config.Object) *tls.Config {
	defer o.Done()
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.Bool("disableValidation", false) {
		settings.InsecureSkipVerify = true // the configuration asks for it
		o.Ignore("commonName", "trustCerts", "trustCertsBundle")
	} else {
		trusted := o.List("trustCerts")
		if bundle := o.String("trustCertsBundle", ""); bundle != "" {
			trusted = append(trusted, bundle)
		}
		settings.RootCAs = authorities(o, "trustCerts", trusted)
		verifyName(settings, o.Required("commonName"))
	}
	if o.Has("clientAuth") {
		auth := o.Object("clientAuth")
		defer auth.Done()
		settings.Certificates = []tls.Certificate{takeCertificate(auth)}
	}
	return settings
}

// verifyName makes a certificate's name count where it says its subject, too: Go's own check would
// look at alternative names alone.
func verifyName(settings *tls.Config, name string) {
	settings.ServerName = name
	roots := settings.RootCAs
	settings.InsecureSkipVerify = true // VerifyConnection does all that it would
	settings.VerifyConnection = func(state tls.ConnectionState) error {
		leaf := state.PeerCertificates[0]
		if leaf.VerifyHostname(name) != nil && leaf.Subject.CommonName != name {
			return fmt.Errorf("the certificate is not for %q", name)
		}
		between := x509.NewCertPool()
		for _, each := range state.PeerCertificates[1:] {
			between.AddCert(each)
		}
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}

func takeCertificate(o *config.Object) tls.Certificate {
	certificate, err := tls.LoadX509KeyPair(o.Required("certPath"), o.Required("keyPath"))
	if err != nil {
		o.Fail("%v", err)
	}
	return certificate
}

func authorities(o *config.Object, key string, files []string) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			o.Fail("%s: %v", key, err)
		} else if !pool.AppendCertsFromPEM(text) {
			o.Fail("%s: no certificate in %s", key, file)
		}
	}
	return pool
}
