package metrics

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// WriteJSON shows all metrics below a place, such as rt/incoming/client, as one flat object, their
// paths from there joined by slashes. The empty place is all.
func (r *Registry) WriteJSON(w io.Writer, place string, pretty bool) error {
	flat := map[string]any{}
	r.eachBelow(place, func(path []string, m metric) {
		for suffix, value := range values(m) {
			flat[strings.Join(path, "/")+suffix] = value
		}
	})
	return writeJSON(w, flat, pretty)
}

// WriteTree shows all metrics below a place as objects in objects, by the names of their paths.
func (r *Registry) WriteTree(w io.Writer, place string) error {
	root := map[string]any{}
	r.eachBelow(place, func(path []string, m metric) {
		here := root
		for _, name := range path {
			below, there := here[name].(map[string]any)
			if !there {
				below = map[string]any{}
				here[name] = below
			}
			here = below
		}
		for suffix, value := range values(m) {
			here[kindOf(m)+suffix] = value
		}
	})
	return writeJSON(w, root, false)
}

// eachBelow calls f with the metrics below a place and their paths from there. In a path an element
// such as a client's name may itself hold slashes; a place is split at each slash all the same.
func (r *Registry) eachBelow(place string, f func(path []string, m metric)) {
	var start []string
	if place != "" {
		start = strings.Split(place, "/")
	}
	r.each(func(path []string, m metric) {
		if len(path) < len(start) {
			return
		}
		for i, name := range start {
			if path[i] != name {
				return
			}
		}
		f(path[len(start):], m)
	})
}

func kindOf(m metric) string {
	switch m.(type) {
	case *Counter:
		return "counter"
	case *Gauge:
		return "gauge"
	}
	return "stat"
}

// values gives what is shown of a metric, by what is put behind its name.
func values(m metric) map[string]any {
	switch m := m.(type) {
	case *Counter:
		return map[string]any{"": m.value.Load()}
	case *Gauge:
		return map[string]any{"": json.Number(decimal(float64(m.value.Load())))}
	case *Stat:
		if summary := m.summary(); summary != nil {
			return summaryValues(summary)
		}
	}
	return nil
}

func summaryValues(summary *Summary) map[string]any {
	shown := map[string]any{
		".count": summary.Count,
		".sum":   summary.Sum,
		".avg":   summary.Average,
		".min":   summary.Min,
		".max":   summary.Max,
	}
	for suffix, share := range map[string]float64{
		".p50": 0.5, ".p90": 0.9, ".p95": 0.95, ".p99": 0.99, ".p9990": 0.999, ".p9999": 0.9999,
	} {
		shown[suffix] = summary.Quantile(share)
	}
	return shown
}

func writeJSON(w io.Writer, content map[string]any, pretty bool) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if pretty {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(content); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}
