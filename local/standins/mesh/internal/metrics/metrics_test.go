package metrics

import (
	"strings"
	"testing"
	"time"
)

func prometheus(r *Registry) string {
	var out strings.Builder
	r.WritePrometheus(&out)
	return out.String()
}

func TestNamesAndLabels(t *testing.T) {
	r := New()
	client := r.Scope("rt", "outgoing", "client", "%/io.l5d.k8s.daemonset/l/incoming/l5d/#/x")
	world := NewRequests(client.Below("service", "svc/world"))
	world.Begin()
	world.Begin()
	world.Done(true, 0)
	r.Scope("rt", "external", "server", "0.0.0.0/4142").Counter("requests").Add()
	r.Scope("rt", "outgoing", "service", "svc/world").Below("retries").Counter("total")
	const labels = `{rt="outgoing", client="%/io.l5d.k8s.daemonset/l/incoming/l5d/#/x", service="svc/world"}`
	want := `rt:server:requests{rt="external", server="0.0.0.0/4142"} 1
rt:client:service:pending` + labels + ` 1.0
rt:client:service:requests` + labels + ` 1
rt:client:service:success` + labels + ` 1
rt:service:retries:total{rt="outgoing", service="svc/world"} 0
`
	if got := prometheus(r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestJSONIsFlatOrATreeFromAPlaceOn(t *testing.T) {
	r := New()
	r.Scope("rt", "incoming", "client", "#/x").Counter("requests").Add()
	r.Scope("rt", "outgoing", "client", "#/y").Counter("requests")
	stat := r.Scope("rt", "incoming", "client", "#/x").Stat("latency")
	for _, each := range []struct {
		write func(*strings.Builder) error
		want  string
	}{
		{
			func(out *strings.Builder) error { return r.WriteJSON(out, "", false) },
			`{"rt/incoming/client/#/x/requests":1,"rt/outgoing/client/#/y/requests":0}`,
		},
		{
			func(out *strings.Builder) error { return r.WriteTree(out, "rt/incoming/client") },
			`{"#/x":{"latency":{},"requests":{"counter":1}}}`,
		},
		{func(out *strings.Builder) error { return r.WriteTree(out, "rt/nothing") }, `{}`},
	} {
		var out strings.Builder
		if err := each.write(&out); err != nil || out.String() != each.want+"\n" {
			t.Errorf("%v %s, want %s", err, out.String(), each.want)
		}
	}
	stat.Add(7)
	r.snapshot()
	var out strings.Builder
	_ = r.WriteTree(&out, "rt/incoming")
	if !strings.Contains(out.String(), `"latency":{"stat.avg":7,"stat.count":1,`) {
		t.Error(out.String())
	}
}

func TestFailuresAreAbsentUntilTheFirst(t *testing.T) {
	r := New()
	requests := NewRequests(r.Scope("rt", "a", "service", "s"))
	requests.Done(true, 0)
	if got := prometheus(r); strings.Contains(got, "failures") {
		t.Error(got)
	}
	requests.Done(false, 0)
	if got := prometheus(r); !strings.Contains(got, `rt:service:failures{rt="a", service="s"} 1`) {
		t.Error(got)
	}
}

func TestLatenciesAreThoseOfTheLastWindow(t *testing.T) {
	r := New()
	requests := NewRequests(r.Scope("rt", "a", "service", "s"))
	for i := 1; i <= 100; i++ {
		requests.Done(true, time.Duration(i)*time.Millisecond)
	}
	if got := prometheus(r); strings.Contains(got, "latency") {
		t.Errorf("shown before the window is over:\n%s", got)
	}
	r.snapshot()
	got := prometheus(r)
	for _, want := range []string{
		`rt:service:request_latency_ms_count{rt="a", service="s"} 100`,
		`rt:service:request_latency_ms_avg{rt="a", service="s"} 50.5`,
		`rt:service:request_latency_ms{rt="a", service="s", quantile="0.99"} 99`,
		`rt:service:request_latency_ms{rt="a", service="s", quantile="1"} 100`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	r.snapshot()
	if got := prometheus(r); strings.Contains(got, "latency") {
		t.Errorf("still shown after a window without requests:\n%s", got)
	}
}

func TestWhatIsRemovedIsNotShown(t *testing.T) {
	r := New()
	NewRequests(r.Scope("rt", "a", "service", "s"))
	r.Scope("rt", "a", "service", "s2").Counter("requests")
	r.Scope("rt", "a", "service", "s").Remove()
	if got := prometheus(r); got != "rt:service:requests{rt=\"a\", service=\"s2\"} 0\n" {
		t.Error(got)
	}
}

func TestAQuantileHasTheRankRoundedHalfUp(t *testing.T) {
	for _, each := range []struct {
		count int64
		share float64
		want  int64
	}{{11, 0.95, 1}, {5, 0.9, 900}, {5, 0.5, 1}, {1, 0.5, 900}} {
		seen := map[int64]int64{900: 1}
		if each.count > 1 {
			seen[1] = each.count - 1
		}
		if got := summarize(seen).Quantile(each.share); got != each.want {
			t.Errorf("%v of %d: %d, want %d", each.share, each.count, got, each.want)
		}
	}
}
