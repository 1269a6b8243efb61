package main

import (
	"linkerd-canary.local/mesh/internal/config"
	"linkerd-canary.local/mesh/internal/mtls"
)

// takeServerTLS reads how a server proves who it is, and whether callers have to.
func takeServerTLS(o *config.Object) *mtls.Server {
	defer o.Done()
	o.NotDone("intermediateCertsPath", "ciphers", "protocols")
	server := &mtls.Server{Pair: takePair(o)}
	if o.Bool("requireClientAuth", false) {
		server.ClientCA = o.Required("caCertPath")
	} else {
		o.Ignore("caCertPath")
	}
	return server
}

// takeClientTLS reads what endpoints have to prove, and how a caller proves who it is.
func takeClientTLS(o *config.Object) *mtls.Client {
	defer o.Done()
	o.NotDone("protocols")
	client := &mtls.Client{}
	if o.Bool("disableValidation", false) {
		o.Ignore("commonName", "trustCerts", "trustCertsBundle")
	} else {
		client.CommonName = o.Required("commonName")
		client.Trusted = o.List("trustCerts")
		if bundle := o.String("trustCertsBundle", ""); bundle != "" {
			client.Trusted = append(client.Trusted, bundle)
		}
	}
	if o.Has("clientAuth") {
		auth := o.Object("clientAuth")
		defer auth.Done()
		auth.NotDone("intermediateCertsPath")
		pair := takePair(auth)
		client.Auth = &pair
	}
	return client
}

func takePair(o *config.Object) mtls.Pair {
	return mtls.Pair{CertPath: o.Required("certPath"), KeyPath: o.Required("keyPath")}
}
