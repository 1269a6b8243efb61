package router

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
)

// failure is an answer that linkerd gives itself.
type failure struct {
	status    int
	text      string
	retryable bool
	// unroutable is a name that leads nowhere: to ask again at once would not help.
	unroutable bool
}

func (f *failure) Error() string { return f.text }

// write answers with the failure's text, also in a header, where it is form-encoded.
func (f *failure) write(w http.ResponseWriter) {
	encoded := url.QueryEscape(f.text)
	if len(encoded) > maxErrorHeader {
		encoded = encoded[:maxErrorHeader]
	}
	w.Header().Set(linkerdError, encoded)
	w.Header().Set("Content-Type", "text/plain")
	if f.retryable {
		w.Header().Set(retryable, "true")
	}
	w.WriteHeader(f.status)
	_, _ = w.Write([]byte(f.text))
}

func unidentified(r *http.Request, why string) *failure {
	text := fmt.Sprintf("Unknown destination: Request(\"%s %s\", from %s) / %s",
		r.Method, r.RequestURI, r.RemoteAddr, why)
	return &failure{status: http.StatusBadRequest, text: text}
}

// noBrokers says that a name leads to no endpoint.
func noBrokers(it *binding, base dtab.Dtab) *failure {
	text := fmt.Sprintf(
		"Unable to route request!\n\nservice name: %s\ndtab:\n\nbase dtab:\n%s\noverride dtab:\n%s\n",
		it.service.path, lines(base), lines(it.more[len(base):]))
	return &failure{status: http.StatusBadGateway, text: text, unroutable: true}
}

func lines(table dtab.Dtab) string {
	shown := make([]string, len(table))
	for i, dentry := range table {
		shown[i] = "  " + dentry.Prefix.String() + " => " + dtab.Show(dentry.Dst)
	}
	return strings.Join(shown, "\n")
}

// bindingTooSlow says that namerd has not told where a name leads.
func bindingTooSlow(path dtab.Path, waited time.Duration) *failure {
	text := fmt.Sprintf("exceeded %s to unspecified while dyn binding %s. Remote Info: Not Available",
		scalaDuration(waited), path)
	return &failure{status: http.StatusServiceUnavailable, text: text}
}

// scalaDuration shows a duration as Twitter's library does: 10.seconds, 500.milliseconds.
func scalaDuration(d time.Duration) string {
	if d%time.Second == 0 {
		return fmt.Sprintf("%d.seconds", d/time.Second)
	}
	return fmt.Sprintf("%d.milliseconds", d/time.Millisecond)
}

// unreachable says that no endpoint of a client took the connection.
func unreachable(it *binding, to *client, address string) *failure {
	text := fmt.Sprintf("Unable to establish connection to %s.\n\nservice name: %s\nclient name: /%s\n"+
		"addresses: [%s]\nselected address: %s\n",
		address, it.service.path, to.label, strings.Join(to.addresses(), ", "), address)
	return &failure{status: http.StatusBadGateway, text: text}
}

// broken says that an endpoint took the request and gave no answer.
func broken(err error, address string) *failure {
	text := fmt.Sprintf("%v at remote address: %s. Remote Info: Not Available", err, address)
	var timeout net.Error
	status := http.StatusBadGateway
	if errors.As(err, &timeout) && timeout.Timeout() {
		status = http.StatusServiceUnavailable
	}
	return &failure{status: status, text: text}
}

// neverSent tells whether an error came before anything of a request was sent.
func neverSent(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}
