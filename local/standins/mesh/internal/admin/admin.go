// Package admin is the administrative interface that linkerd and namerd have in common.
package admin

import (
	"fmt"
	"html"
	"net/http"
)

// Handler answers pings and shows a page titled "PROGRAM admin"; `more` adds paths. A POST to
// /admin/shutdown calls `shutdown`; where that is nil there is no such page.
func Handler(program string, more map[string]http.HandlerFunc, shutdown func()) http.Handler {
	mux := http.NewServeMux()
	if shutdown != nil {
		mux.HandleFunc("/admin/shutdown", func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				w.Header().Set("Allow", http.MethodPost)
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			fmt.Fprintln(w, "quitting")
			shutdown()
		})
	}
	mux.HandleFunc("/admin/ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
		fmt.Fprint(w, "pong")
	})
	for path, handler := range more {
		mux.HandleFunc(path, handler)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" && r.URL.Path != "/admin" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/html;charset=UTF-8")
		name := html.EscapeString(program)
		fmt.Fprintf(w, "<!doctype html>\n<html>\n  <head>\n    <title>%s admin</title>\n  </head>\n"+
			"  <body>\n    <h1>%s</h1>\n    <p>A stand-in: see <a href=\"/admin/ping\">ping</a>.</p>\n"+
			"  </body>\n</html>\n", name, name)
	})
	return mux
}
