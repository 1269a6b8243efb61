// Command linkerd stands in for linkerd 1.7.5: it routes HTTP requests by names that namerd binds.
//
// usage: linkerd CONFIG_FILE
package main

import (
	"net/http"

	"linkerd-canary.local/mesh/internal/admin"
	"linkerd-canary.local/mesh/internal/metrics"
	"linkerd-canary.local/mesh/internal/router"
	"linkerd-canary.local/mesh/internal/serve"
)

func main() {
	file := serve.ConfigFile("linkerd")
	if err := run(file); err != nil {
		serve.Exit("linkerd", err)
	}
}

func run(file string) error {
	settings, err := load(file)
	if err != nil {
		return err
	}
	group := serve.New("linkerd", "linkerd 1.7.5")
	registry := metrics.New()
	go registry.Run(group.Context())
	for _, each := range settings.routers {
		it := router.New(group.Context(), each.Settings, registry)
		for _, server := range each.servers {
			handler := it.Server(server.name(), server.clearContext)
			what := "router " + each.Label
			if err := group.ListenTLS(what, server.ip, server.port, handler, server.tls); err != nil {
				return err
			}
		}
	}
	page := admin.Handler("linkerd", settings.adminPages(registry))
	if err := group.Listen("admin", settings.admin.IP, settings.admin.Port, page); err != nil {
		return err
	}
	return group.Wait()
}

// adminPages shows the metrics, to Prometheus only if the configuration asks for it.
func (s *settings) adminPages(registry *metrics.Registry) map[string]http.HandlerFunc {
	pages := map[string]http.HandlerFunc{
		"/admin/metrics.json": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = registry.WriteJSON(w, r.URL.Query().Get("pretty") == "true")
		},
	}
	if s.prometheus {
		pages["/admin/metrics/prometheus"] = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			registry.WritePrometheus(w)
		}
	}
	return pages
}
