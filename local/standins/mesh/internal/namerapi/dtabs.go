package namerapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
	"linkerd-canary.local/mesh/internal/store"
)

// codec is one way of writing a table.
type codec struct {
	write func(dtab.Dtab) []byte
	read  func([]byte) (dtab.Dtab, error)
}

var (
	jsonCodec = codec{
		write: func(table dtab.Dtab) []byte {
			if table == nil {
				table = dtab.Dtab{}
			}
			return encode(table)
		},
		read: readJSON,
	}
	textCodec = codec{
		write: func(table dtab.Dtab) []byte { return []byte(table.String()) },
		read: func(body []byte) (dtab.Dtab, error) {
			table, err := dtab.Parse(string(body))
			if err != nil {
				err = syntaxError{err}
			}
			return table, err
		},
	}
	codecs = map[string]codec{
		"application/json": jsonCodec, "application/dtab": textCodec, "text/plain": textCodec,
	}
)

// syntaxError is a mistake whose text a PUT is answered with; those in JSON are not told.
type syntaxError struct{ error }

func readJSON(body []byte) (dtab.Dtab, error) {
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	var entries []json.RawMessage
	if err := decoder.Decode(&entries); err != nil {
		return nil, err
	}
	if entries == nil {
		return nil, errors.New("null is no table")
	}
	table := dtab.Dtab{}
	for _, raw := range entries {
		var fields map[string]any
		var dentry dtab.Dentry
		if err := json.Unmarshal(raw, &fields); err != nil || len(fields) != 2 {
			return nil, errors.New("an entry has a prefix and a dst")
		}
		if err := json.Unmarshal(raw, &dentry); err != nil {
			return nil, err
		}
		table = append(table, dentry)
	}
	return table, nil
}

// mediaType is the part of a content type before its parameters.
func mediaType(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// accepted gives the first media type of the header Accept that there is a codec for.
func accepted(r *http.Request) string {
	for _, kind := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if _, known := codecs[mediaType(kind)]; known {
			return mediaType(kind)
		}
	}
	return "application/json"
}

func (h *Handler) serveDtabs(w http.ResponseWriter, r *http.Request, namespace string) {
	if namespace == "" {
		h.list(w, r)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.get(w, r, namespace)
	case http.MethodPut:
		h.put(w, r, namespace)
	case http.MethodPost:
		h.post(w, r, namespace)
	case http.MethodDelete:
		h.remove(w, r, namespace)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request) {
	h.reply(w, r, "application/json", func(reads *live.Reads) document {
		names, known := h.Store.List(reads)
		if !known {
			return document{}
		}
		return line(encode(names))
	})
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request, namespace string) {
	contentType := accepted(r)
	h.reply(w, r, contentType, func(reads *live.Reads) document {
		saved, known := h.Store.Get(reads, namespace)
		if saved == nil {
			return document{known: known, missing: true}
		}
		found := line(codecs[contentType].write(saved.Dtab))
		found.etag = base64.StdEncoding.EncodeToString([]byte(saved.Version))
		return found
	})
}

// put replaces a table, of one version if the caller says so, or makes the namespace.
func (h *Handler) put(w http.ResponseWriter, r *http.Request, namespace string) {
	contentType := r.Header.Get("Content-Type")
	codec, known := codecs[mediaType(contentType)]
	if !known {
		refuse(w, http.StatusBadRequest, `Invalid Content-Type "`+contentType+`". `)
		return
	}
	table, err := readTable(r, codec)
	var mistake syntaxError
	switch {
	case errors.As(err, &mistake):
		refuse(w, http.StatusBadRequest, mistake.Error())
		return
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if tags := r.Header.Values("If-Match"); len(tags) > 0 {
		err = h.Store.Update(r.Context(), namespace, table, decodeTag(tags[0]))
	} else {
		err = h.Store.Put(r.Context(), namespace, table)
	}
	w.WriteHeader(statusOf(err))
}

func (h *Handler) post(w http.ResponseWriter, r *http.Request, namespace string) {
	codec, known := codecs[mediaType(r.Header.Get("Content-Type"))]
	if !known {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	table, err := readTable(r, codec)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(statusOf(h.Store.Create(r.Context(), namespace, table)))
}

func (h *Handler) remove(w http.ResponseWriter, r *http.Request, namespace string) {
	w.WriteHeader(statusOf(h.Store.Delete(r.Context(), namespace)))
}

func readTable(r *http.Request, codec codec) (dtab.Dtab, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return codec.read(body)
}

// decodeTag gives the version that a tag stands for; what is no base64 gives one that never was.
func decodeTag(tag string) string {
	version, err := base64.StdEncoding.DecodeString(tag)
	if err != nil {
		return "not base64: " + tag
	}
	return string(version)
}

func statusOf(err error) int {
	switch {
	case err == nil:
		return http.StatusNoContent
	case errors.Is(err, store.ErrExists):
		return http.StatusConflict
	case errors.Is(err, store.ErrMissing):
		return http.StatusNotFound
	case errors.Is(err, store.ErrMismatch):
		return http.StatusPreconditionFailed
	}
	return http.StatusInternalServerError
}
