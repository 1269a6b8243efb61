package namerapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
	"linkerd-canary.local/mesh/internal/naming"
)

// pathParam reads the parameter "path", or answers that it is wrong.
func pathParam(w http.ResponseWriter, r *http.Request) (dtab.Path, bool) {
	if !r.URL.Query().Has("path") {
		w.WriteHeader(http.StatusInternalServerError)
		return nil, false
	}
	text := r.URL.Query().Get("path")
	path, err := dtab.ParsePath(text)
	if err != nil {
		refuse(w, http.StatusBadRequest, "Invalid path: "+text+" / "+err.Error())
	}
	return path, err == nil
}

// dtabParam reads the parameter "dtab", which holds more entries.
func dtabParam(w http.ResponseWriter, r *http.Request) (dtab.Dtab, bool) {
	table, err := dtab.Parse(r.URL.Query().Get("dtab"))
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
	return table, err == nil
}

// tableOf gives a namespace's table followed by more entries; one that is not there is empty.
func (h *Handler) tableOf(
	reads *live.Reads, namespace string, more dtab.Dtab,
) (dtab.Dtab, bool) {
	saved, known := h.Store.Get(reads, namespace)
	if saved == nil {
		return more, known
	}
	return append(append(dtab.Dtab{}, saved.Dtab...), more...), known
}

func (h *Handler) bind(
	reads *live.Reads, namespace string, more dtab.Dtab, path dtab.Path,
) (dtab.Tree[naming.Bound], bool, error) {
	table, known := h.tableOf(reads, namespace, more)
	if !known {
		return dtab.Tree[naming.Bound]{}, false, nil
	}
	return h.Interpreter.Bind(reads, table, path)
}

// inNamespace cuts the slash off a namespace, or answers that there is none.
func inNamespace(w http.ResponseWriter, rest string) (string, bool) {
	namespace, found := strings.CutPrefix(rest, "/")
	if !found {
		w.WriteHeader(http.StatusNotFound)
	}
	return namespace, found
}

func (h *Handler) serveBind(w http.ResponseWriter, r *http.Request, rest string, path dtab.Path) {
	namespace, ok := inNamespace(w, rest)
	if !ok {
		return
	}
	more, ok := dtabParam(w, r)
	if !ok {
		return
	}
	h.reply(w, r, "", func(reads *live.Reads) document {
		tree, known, err := h.bind(reads, namespace, more, path)
		if err != nil || !known {
			return document{err: err}
		}
		shape, known := shapeOfTree(reads, tree)
		found := line(encode(shape))
		found.key, found.known = skeleton(tree), known
		return found
	})
}

func (h *Handler) serveAddr(w http.ResponseWriter, r *http.Request, rest string, path dtab.Path) {
	if _, ok := inNamespace(w, rest); !ok {
		return
	}
	path = stripTransformer(path)
	h.reply(w, r, "", func(reads *live.Reads) document {
		return lineOfAddr(h.Interpreter.Addr(reads, path))
	})
}

func lineOfAddr(addr naming.Addr, known bool, err error) document {
	if err != nil || !known {
		return document{err: err}
	}
	return line(encode(shapeOfAddr(addr)))
}

// stripTransformer cuts what a transformer has put before a bound name, "/%/<its name>", off.
func stripTransformer(path dtab.Path) dtab.Path {
	if len(path) > 0 && path[0] == "%" {
		for i, elem := range path {
			if elem == "#" || elem == "$" {
				return path[i:]
			}
		}
	}
	return path
}

// serveResolve follows a path to the endpoints of one branch, drawn by weight.
func (h *Handler) serveResolve(w http.ResponseWriter, r *http.Request, rest string, path dtab.Path) {
	namespace, ok := inNamespace(w, rest)
	if !ok {
		return
	}
	more, ok := dtabParam(w, r)
	if !ok {
		return
	}
	h.reply(w, r, "application/json", func(reads *live.Reads) document {
		tree, known, err := h.bind(reads, namespace, more, path)
		if err != nil || !known {
			return document{err: err}
		}
		bound := naming.Draw(tree)
		if bound == nil {
			return lineOfAddr(naming.Addr{}, true, nil)
		}
		return lineOfAddr(h.Interpreter.Addr(reads, bound.ID))
	})
}

// serveDelegate shows all steps. Without a namespace, `dtab` is the whole table.
func (h *Handler) serveDelegate(
	w http.ResponseWriter, r *http.Request, rest string, path dtab.Path,
) {
	namespace, inNamespace := strings.CutPrefix(rest, "/")
	if !inNamespace {
		namespace = r.URL.Query().Get("namespace")
	}
	more, err := dtab.Parse(r.URL.Query().Get("dtab"))
	if err != nil && inNamespace {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "Invalid dtab: "+err.Error())
		return
	}
	h.delegate(w, r, path, func(reads *live.Reads) (dtab.Dtab, bool) {
		if namespace == "" {
			return more, true
		}
		return h.tableOf(reads, namespace, more)
	})
}

// ServeDelegator is the page dtab/delegator.json of the admin port. The parameter "namespace" is not
// looked at: the table given is the only one.
func (h *Handler) ServeDelegator(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	query := r.URL.Query()
	table, err := dtab.Parse(query.Get("dtab"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "Invalid dtab: "+err.Error())
		return
	}
	path, err := dtab.ParsePath(query.Get("path"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "Invalid path: "+err.Error())
		return
	}
	h.delegate(w, r, path, func(*live.Reads) (dtab.Dtab, bool) { return table, true })
}

// delegate answers with all steps from a path by a table.
func (h *Handler) delegate(
	w http.ResponseWriter, r *http.Request, path dtab.Path,
	tableOf func(*live.Reads) (dtab.Dtab, bool),
) {
	ctx, cancel := context.WithTimeout(r.Context(), delegateWithin)
	defer cancel()
	shape, err := live.First(ctx, func(reads *live.Reads) (*Tree, bool, error) {
		table, known := tableOf(reads)
		if !known {
			return nil, false, nil
		}
		tree, known, err := h.Interpreter.Delegate(reads, table, path)
		if err != nil || !known {
			return nil, false, err
		}
		shape, known := shapeOfDelegation(reads, tree)
		return shape, known, nil
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		refuse(w, http.StatusServiceUnavailable, "Request timed out.")
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
	default:
		answer(w, "application/json", encode(shape))
	}
}
