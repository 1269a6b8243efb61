// Command namerd stands in for namerd 1.7.5: it keeps delegation tables and binds names by them.
//
// usage: namerd CONFIG_FILE
package main

import (
	"fmt"
	"net/http"

	"linkerd-canary.local/mesh/internal/admin"
	"linkerd-canary.local/mesh/internal/namerapi"
	"linkerd-canary.local/mesh/internal/naming"
	"linkerd-canary.local/mesh/internal/serve"
)

func main() {
	file := serve.ConfigFile("namerd", nil)
	if err := run(file); err != nil {
		serve.Exit("namerd", err)
	}
}

func run(file string) error {
	settings, err := load(file)
	if err != nil {
		return err
	}
	group := serve.New("namerd", "namerd 1.7.5")
	api := &namerapi.Handler{
		Store:       settings.makeStore(group.Context()),
		Interpreter: &naming.Interpreter{Namers: settings.namers},
		Stopping:    group.Context(),
	}
	for _, each := range settings.interfaces {
		var handler http.Handler = api
		if each.kind == meshInterface {
			handler = http.HandlerFunc(noMesh)
		}
		if err := group.Listen(each.kind, each.ip, each.port, handler); err != nil {
			return err
		}
	}
	page := admin.Handler("namerd", map[string]http.HandlerFunc{
		"/dtab/delegator.json": api.ServeDelegator,
	}, settings.shutdown(group))
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

// noMesh answers on the port of the gRPC interface, which is not done here.
func noMesh(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
	fmt.Fprintln(w, "io.l5d.mesh is not served by this stand-in: use io.l5d.thriftNameInterpreter")
}
