package naming

import (
	"testing"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
)

func TestRewritingNamers(t *testing.T) {
	for from, to := range map[string]string{
		"/$/io.buoyant.porthostPfx/pfx/a.b:80/etc":                  "/pfx/80/a.b/etc",
		"/$/io.buoyant.hostportPfx/pfx/a.b:80/etc":                  "/pfx/a.b/80/etc",
		"/$/io.buoyant.porthostPfx/pfx/a.b":                         "",
		"/$/io.buoyant.porthostPfx/pfx/a:b:80":                      "",
		"/$/io.buoyant.http.subdomainOfPfx/a.b/pfx/bar.a.b/etc":     "/pfx/bar/etc",
		"/$/io.buoyant.http.subdomainOfPfx/a.b/pfx/bar_suf.a.b":     "/pfx/bar_suf",
		"/$/io.buoyant.http.subdomainOfPfx/a.b/pfx/foo.bar.a.b/etc": "/pfx/foo.bar/etc",
		"/$/io.buoyant.http.subdomainOfPfx/a.b/pfx/a.b":             "",
		"/$/io.buoyant.http.subdomainOfPfx/a.b/pfx/xa.b":            "",
		"/$/io.buoyant.http.subdomainOfPfx/a.b/pfx":                 "",
	} {
		path, err := dtab.ParsePath(from)
		if err != nil {
			t.Fatal(err)
		}
		tree, known, err := lookupGlobal(&live.Reads{}, path)
		if err != nil || !known {
			t.Errorf("%s: %v, known %v", from, err, known)
		}
		if got := tree.Leaf.Path.String(); to != "" && got != to {
			t.Errorf("%s became %s, not %s", from, got, to)
		}
		if (tree.Kind == dtab.Neg) != (to == "") {
			t.Errorf("%s became a tree of kind %v", from, tree.Kind)
		}
	}
}
