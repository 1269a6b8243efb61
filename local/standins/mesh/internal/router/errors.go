package router

import (
	"fmt"
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
	// final is one that no classifier sends again: a name that leads nowhere, or no connection,
	// which has been tried again already.
	final bool
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
	return &failure{status: http.StatusBadGateway, text: text, final: true}
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

// answeredTooSlowly says that a request and its retries took longer than they may.
func answeredTooSlowly(limit time.Duration) *failure {
	text := fmt.Sprintf("exceeded %s to unspecified while waiting for a response for the request, "+
		"including retries (if applicable). Remote Info: Not Available", scalaDuration(limit))
	return &failure{status: http.StatusServiceUnavailable, text: text}
}

// tooManyWaiters says that all connections to an endpoint are busy and no more requests may wait.
func tooManyWaiters(address string) *failure {
	text := fmt.Sprintf("too many waiters for a connection at remote address: %s. "+
		"Remote Info: Not Available", address)
	return &failure{status: http.StatusBadGateway, text: text, final: true}
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
	return &failure{status: http.StatusBadGateway, text: text, final: true}
}

// broken says that an endpoint took the request and gave no answer.
func broken(err error, address string) *failure {
	text := fmt.Sprintf("ChannelException at remote address: %s (%v). Remote Info: Not Available",
		address, err)
	return &failure{status: http.StatusBadGateway, text: text}
}
