// Command linkerd stands in for linkerd 1.7.5: it routes HTTP requests by names that namerd binds.
//
// usage: linkerd [-io.buoyant.telemetry.admin.histogramSnapshotInterval=N.UNIT] CONFIG_FILE
package main

import (
	"net/http"
	"time"

	"linkerd-canary.local/mesh/internal/admin"
	"linkerd-canary.local/mesh/internal/metrics"
	"linkerd-canary.local/mesh/internal/router"
	"linkerd-canary.local/mesh/internal/serve"
)

func main() {
	window := metrics.DefaultWindow
	file := serve.ConfigFile("linkerd", map[string]func(string) error{
		"io.buoyant.telemetry.admin.histogramSnapshotInterval": func(value string) (err error) {
			window, err = parseDuration(value)
			return err
		},
	})
	if err := run(file, window); err != nil {
		serve.Exit("linkerd", err)
	}
}

func run(file string, window time.Duration) error {
	settings, err := load(file)
	if err != nil {
		return err
	}
	group := serve.New("linkerd", "linkerd 1.7.5")
	registry := metrics.New()
	registry.Scope("jvm").Gauge("start_time").Add(time.Now().UnixMilli())
	go registry.Run(group.Context(), window)
	for _, each := range settings.routers {
		it := router.New(group.Context(), each.Settings, registry)
		for _, server := range each.servers {
			entrance := it.Server(server.name(), server.clearContext, server.tls)
			what := "router " + each.Label
			err := group.ListenBy(what, server.ip, server.port, entrance, entrance.Secure)
			if err != nil {
				return err
			}
		}
	}
	page := admin.Handler("linkerd", settings.adminPages(registry), settings.shutdown(group))
	if err := group.Listen("admin", settings.admin.IP, settings.admin.Port, page); err != nil {
		return err
	}
	return group.Wait()
}

// shutdown gives what a request to the admin port may end the program by; nil for nothing.
func (s *settings) shutdown(group *serve.Group) func() {
	if !s.admin.Control {
		return nil
	}
	return group.Stop
}

// adminPages shows the metrics, to Prometheus only if the configuration asks for it, and what each
// router routes by.
func (s *settings) adminPages(registry *metrics.Registry) map[string]http.HandlerFunc {
	pages := map[string]http.HandlerFunc{
		"/admin/metrics.json": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			query := r.URL.Query()
			if query.Get("tree") == "true" {
				_ = registry.WriteTree(w, query.Get("q"))
				return
			}
			_ = registry.WriteJSON(w, query.Get("q"), query.Get("pretty") == "true")
		},
	}
	for _, each := range s.routers {
		kept := each.Namerd
		pages["/"+each.Label+"/interpreter_state/io.l5d.namerd/"+kept.Namespace()+".json"] = kept.ServeState
	}
	if s.prometheus {
		pages["/admin/metrics/prometheus"] = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			registry.WritePrometheus(w)
		}
	}
	return pages
}
