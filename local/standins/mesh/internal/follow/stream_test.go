package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/live"
)

func TestTheWaitsGrowFromBaseToMax(t *testing.T) {
	for run := 0; run < 50; run++ {
		next := Retry{Base: 5 * time.Second, Max: 10 * time.Minute}.backoff()
		if first := next(); first != 5*time.Second {
			t.Fatalf("the first is %s", first)
		}
		bound := 10 * time.Second
		for attempt := 0; attempt < 100; attempt++ {
			if wait := next(); wait < 0 || wait >= bound {
				t.Fatalf("wait %d is %s, not below %s", attempt+2, wait, bound)
			}
			bound = min(2*bound, 10*time.Minute)
		}
	}
}

// breaking answers each question with one document and ends the stream.
func breaking(asked chan<- time.Time) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- time.Now()
		fmt.Fprintln(w, `{"type": "neg"}`)
	}))
}

func TestAnAnswerDoesNotBeginTheWaitsAnew(t *testing.T) {
	asked := make(chan time.Time, 100)
	namerd := breaking(asked)
	defer namerd.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var waits []time.Duration
	next := Retry{Base: time.Millisecond, Max: time.Hour}.backoff()
	s := &stream{client: namerd.Client(), url: namerd.URL, record: &record{}, backoff: func() time.Duration {
		waits = append(waits, next())
		if len(waits) == 6 {
			stop()
		}
		return 0
	}}
	follow(ctx, s, func(map[string]string) {})
	if len(waits) != 6 || waits[0] != time.Millisecond {
		t.Fatalf("waits of %v", waits)
	}
	for _, wait := range waits[1:] {
		if wait == time.Millisecond {
			t.Errorf("an answer has begun the waits anew: %v", waits)
		}
	}
}

func TestTheRecordTellsWhatIsFollowed(t *testing.T) {
	asked := make(chan time.Time, 100)
	namerd := breaking(asked)
	defer namerd.Close()
	it := New(namerd.Listener.Addr().String(), "internal", Retry{time.Hour, time.Hour})
	tree, err := live.First(context.Background(), func(reads *live.Reads) (dtab.Tree[Bound], bool, error) {
		tree, known := it.Bind(reads, dtab.MustPath("/svc/x"), nil)
		return tree, known, nil
	})
	if err != nil || tree.Kind != dtab.Neg {
		t.Fatalf("%v, %v", tree, err)
	}
	answer := httptest.NewRecorder()
	it.ServeState(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	var page struct {
		Bind map[string]map[string]struct {
			State struct{ Running bool }
			Poll  struct {
				Request struct{ Name, Namespace string }
			}
		}
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	shown := page.Bind["/svc/x"][""]
	about := shown.Poll.Request
	if !shown.State.Running || about.Name != "/svc/x" || about.Namespace != "internal" {
		t.Errorf("%s", answer.Body)
	}
}
