package namerapi

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
	"linkerd-canary.local/mesh/internal/naming"
	"linkerd-canary.local/mesh/internal/store"
)

// answerWithin bounds the wait for what namerd has to ask others for. (The real program has such a
// bound, of 2 s, for delegations only, and otherwise waits as long as the caller does.)
const answerWithin = 10 * time.Second

const delegateWithin = 2 * time.Second

// Handler serves the API below /api/1.
type Handler struct {
	Store       store.Store
	Interpreter *naming.Interpreter
	Stopping    context.Context // ends the streams
}

const apiPrefix = "/api/1"

// ServeHTTP finds out what is asked for. Paths are matched as they are, not decoded.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Content-Type"] = nil // nothing is guessed from the content
	path := r.URL.EscapedPath()
	if path == apiPrefix+"/dtabs" || strings.HasPrefix(path, apiPrefix+"/dtabs/") {
		h.serveDtabs(w, r, strings.TrimPrefix(strings.TrimPrefix(path, apiPrefix+"/dtabs"), "/"))
		return
	}
	if path == apiPrefix+"/bound-names" && r.Method == http.MethodGet {
		answer(w, "application/json", []byte("[\"\"]\n")) // the k8s namer cannot enumerate
		return
	}
	for kind, serve := range map[string]func(http.ResponseWriter, *http.Request, string, dtab.Path){
		"/bind": h.serveBind, "/addr": h.serveAddr,
		"/resolve": h.serveResolve, "/delegate": h.serveDelegate,
	} {
		namespace, found := strings.CutPrefix(path, apiPrefix+kind)
		if !found {
			continue
		}
		if name, ok := pathParam(w, r); ok {
			serve(w, r, namespace, name)
		}
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

func watching(query url.Values) bool {
	switch query.Get("watch") {
	case "true", "t", "1":
		return true
	}
	return false
}

func answer(w http.ResponseWriter, contentType string, body []byte) {
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	_, _ = w.Write(body)
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// reply answers once with what `compute` gives, or streams each new document of it.
func (h *Handler) reply(
	w http.ResponseWriter, r *http.Request, contentType string, compute func(*live.Reads) document,
) {
	if watching(r.URL.Query()) {
		h.stream(w, r, contentType, compute)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	found, err := live.First(ctx, func(reads *live.Reads) (document, bool, error) {
		found := compute(reads)
		return found, found.known, found.err
	})
	switch {
	case err == context.DeadlineExceeded:
		refuse(w, http.StatusServiceUnavailable, "Request timed out.")
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
	case found.missing:
		w.WriteHeader(http.StatusNotFound)
	default:
		if found.etag != "" {
			w.Header()["Etag"] = []string{found.etag}
		}
		answer(w, contentType, found.body)
	}
}

// document is one answer, or the reason why there is none (yet).
type document struct {
	body    []byte
	key     string // what makes it another document than the one before
	etag    string
	known   bool
	missing bool
	err     error
}

// stream writes a document a line, each time that it is another one.
func (h *Handler) stream(
	w http.ResponseWriter, r *http.Request, contentType string, compute func(*live.Reads) document,
) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.Stopping, cancel)()
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	flusher := http.NewResponseController(w)
	_ = flusher.Flush()
	last, any := "", false
	err := live.Follow(ctx, func(reads *live.Reads) (document, bool, error) {
		found := compute(reads)
		return found, found.known && !found.missing, found.err
	}, func(found document) error {
		if any && found.key == last {
			return nil
		}
		last, any = found.key, true
		if _, err := w.Write(found.body); err != nil {
			return err
		}
		return flusher.Flush()
	})
	if err != nil && ctx.Err() == nil {
		_, _ = io.WriteString(w, err.Error()+"\n")
	}
}

// line is a document whose text is also what tells it from others.
func line(body []byte) document {
	body = append(body, '\n')
	return document{body: body, key: string(body), known: true}
}
