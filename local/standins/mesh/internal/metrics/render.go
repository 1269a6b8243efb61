package metrics

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// labelled are the places whose next name is shown as a label, named after the last of them.
var labelled = map[string]bool{
	"rt": true, "rt:service": true, "rt:client": true, "rt:client:service": true, "rt:server": true,
}

// quantiles are those that Prometheus is shown.
var quantiles = []struct {
	label string
	share float64
}{
	{"0", 0}, {"0.5", 0.5}, {"0.9", 0.9}, {"0.95", 0.95}, {"0.99", 0.99}, {"0.999", 0.999},
	{"0.9999", 0.9999}, {"1", 1},
}

// WritePrometheus shows all metrics in the text format of Prometheus, by linkerd's names: names with
// colons, the router, service, client and server as labels.
func (r *Registry) WritePrometheus(w io.Writer) {
	r.each(func(path []string, m metric) {
		name, labels := prometheusName(path)
		switch m := m.(type) {
		case *Counter:
			fmt.Fprintf(w, "%s%s %d\n", name, braces(labels), m.value.Load())
		case *Gauge:
			fmt.Fprintf(w, "%s%s %s\n", name, braces(labels), decimal(float64(m.value.Load())))
		case *Stat:
			if summary := m.summary(); summary != nil {
				writeSummary(w, name, labels, summary)
			}
		}
	})
}

func writeSummary(w io.Writer, name string, labels []string, summary *Summary) {
	fmt.Fprintf(w, "%s_count%s %d\n", name, braces(labels), summary.Count)
	fmt.Fprintf(w, "%s_sum%s %d\n", name, braces(labels), summary.Sum)
	fmt.Fprintf(w, "%s_avg%s %s\n", name, braces(labels), decimal(summary.Average))
	for _, quantile := range quantiles {
		with := append(append([]string{}, labels...), `quantile="`+quantile.label+`"`)
		fmt.Fprintf(w, "%s%s %d\n", name, braces(with), summary.Quantile(quantile.share))
	}
}

func decimal(value float64) string {
	text := strconv.FormatFloat(value, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func braces(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	return "{" + strings.Join(labels, ", ") + "}"
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// prometheusName splits a path into a metric's name and its labels.
func prometheusName(path []string) (name string, labels []string) {
	var kept []string
	for i := 0; i < len(path); i++ {
		kept = append(kept, path[i])
		if place := strings.Join(kept, ":"); labelled[place] && i+2 < len(path) {
			i++
			labels = append(labels, path[i-1]+`="`+escapeLabel.Replace(path[i])+`"`)
		}
	}
	return escapeName(strings.Join(kept, ":")), labels
}

func escapeName(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ':' {
			return c
		}
		return '_'
	}, name)
}
