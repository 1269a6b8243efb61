package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkerd-canary.local/mesh/internal/config"
	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/follow"
	"linkerd-canary.local/mesh/internal/metrics"
	"linkerd-canary.local/mesh/internal/router"
)

// authority signs certificates and writes them to files.
type authority struct {
	t           *testing.T
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, folder: t.TempDir()}
	a.key, a.certificate = a.sign(name, &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.folder, name) }

// sign makes NAME.pem and NAME.key (in PKCS#8) for a common name, without alternative names.
func (a *authority) sign(name string, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.Subject = pkix.Name{CommonName: name}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotAfter = time.Now().Add(time.Hour)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(key)
	a.write(name+".pem", "CERTIFICATE", raw)
	a.write(name+".key", "PRIVATE KEY", pkcs8)
	certificate, _ := x509.ParseCertificate(raw)
	return key, certificate
}

func (a *authority) write(name, kind string, content []byte) {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	if err := os.WriteFile(a.path(name), text, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) pair(name string) map[string]any {
	a.sign(name, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{
		x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth,
	}})
	return map[string]any{"certPath": a.path(name + ".pem"), "keyPath": a.path(name + ".key")}
}

// read gives the settings of a section "tls".
func read[T any](t *testing.T, section map[string]any, take func(*config.Object) T) (settings T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	text, _ := json.Marshal(map[string]any{"tls": section})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	err := config.Load(file, func(o *config.Object) { settings = take(o.Object("tls")) })
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// through gives the status of a request that a router sends to a server, each with its section "tls".
func through(t *testing.T, server, client map[string]any) int {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stats := metrics.New().Scope("server")
	backend := read(t, server, takeServerTLS).Listener(plain, stats)
	defer backend.Close()
	silent := log.New(io.Discard, "", 0)
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	go func() { _ = (&http.Server{Handler: ok, ErrorLog: silent}).Serve(backend) }()
	namerd := httptest.NewServer(leadingTo(backend.Addr().(*net.TCPAddr).Port))
	defer namerd.CloseClientConnections()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	it := router.New(ctx, router.Settings{
		Label: "test", DstPrefix: dtab.MustPath("/svc"), Header: "Host",
		Namerd:         follow.New(namerd.Listener.Addr().String(), "test", follow.DefaultRetry),
		Budget:         router.DefaultBudget,
		BindingTimeout: time.Minute, IdleTTL: time.Minute, MostBindings: 10,
		TLS:  read(t, client, takeClientTLS),
		Pool: router.Pool{Most: 1},
	}, metrics.New())
	answer := httptest.NewRecorder()
	it.Server("test", false, nil).ServeHTTP(answer, httptest.NewRequest("GET", "http://x/", nil))
	return answer.Code
}

// leadingTo plays a namerd in which every name is bound to one port of loopback.
func leadingTo(port int) http.HandlerFunc {
	addr := fmt.Sprintf(`{"type":"bound","addrs":[{"ip":"127.0.0.1","port":%d,"meta":{}}],"meta":{}}`, port)
	tree := fmt.Sprintf(`{"type":"leaf","bound":{"addr":%s,"id":"/$/inet/x/1","path":"/"}}`, addr)
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/1/bind/") {
			fmt.Fprintln(w, tree)
		} else {
			fmt.Fprintln(w, addr)
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func merged(maps ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, each := range maps {
		for key, value := range each {
			all[key] = value
		}
	}
	return all
}

func TestTLSBetweenLinkerds(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	server := ours.pair("linkerd")
	trusting := map[string]any{"commonName": "linkerd", "trustCertsBundle": ours.path("ours.pem")}
	for _, each := range []struct {
		what           string
		server, client map[string]any
		status         int
	}{
		{"the common name and the authority are right", server, trusting, 200},
		{"a list of authorities", server, map[string]any{
			"commonName": "linkerd", "trustCerts": []string{ours.path("ours.pem")}}, 200},
		{"another common name", server, merged(trusting, map[string]any{"commonName": "other"}), 502},
		{"another authority", theirs.pair("linkerd"), trusting, 502},
		{"no validation", theirs.pair("linkerd"), map[string]any{"disableValidation": true}, 200},
	} {
		if got := through(t, each.server, each.client); got != each.status {
			t.Errorf("%s: %d", each.what, got)
		}
	}
}

func TestMutualTLSBetweenLinkerds(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	server := merged(ours.pair("linkerd"), map[string]any{
		"requireClientAuth": true, "caCertPath": ours.path("ours.pem"),
	})
	trusting := map[string]any{"commonName": "linkerd", "trustCertsBundle": ours.path("ours.pem")}
	with := func(a *authority) map[string]any {
		return merged(trusting, map[string]any{"clientAuth": a.pair("caller")})
	}
	if got := through(t, server, with(ours)); got != 200 {
		t.Errorf("a caller with a right certificate: %d", got)
	}
	if got := through(t, server, trusting); got != 502 {
		t.Errorf("a caller without a certificate: %d", got)
	}
	if got := through(t, server, with(theirs)); got != 502 {
		t.Errorf("a caller with another authority's certificate: %d", got)
	}
}
