package kube

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeAPI serves one object, and watches of it as a test scripts them.
type fakeAPI struct {
	mu      sync.Mutex
	state   string   // "" for none
	watches []string // what each watch sends before it ends; the last one stays open
	asked   []string
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.URL.RequestURI())
	state := f.state
	if strings.HasPrefix(r.URL.Path, "/watch") {
		f.serveWatch(w, r)
		return
	}
	f.mu.Unlock()
	if state == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	fmt.Fprint(w, state)
}

func (f *fakeAPI) serveWatch(w http.ResponseWriter, r *http.Request) {
	events, last := "", len(f.watches) == 0
	if !last {
		events, f.watches = f.watches[0], f.watches[1:]
	}
	f.mu.Unlock()
	if events == "gone" {
		w.WriteHeader(http.StatusGone)
		return
	}
	fmt.Fprint(w, events)
	w.(http.Flusher).Flush()
	if last {
		<-r.Context().Done()
	}
}

func object(value string, version int) string {
	return fmt.Sprintf(`{"value":%q,"metadata":{"resourceVersion":"%d"}}`, value, version)
}

func event(kind, object string) string {
	return fmt.Sprintf(`{"type":%q,"object":%s}`, kind, object)
}

// seen records what a follower is told.
type seen struct{ told chan string }

func (s *seen) Reset(state []byte) error { s.told <- "reset " + string(state); return nil }
func (s *seen) Event(kind string, object []byte) error {
	s.told <- kind + " " + string(object)
	return nil
}

func follow(t *testing.T, api *fakeAPI, expected []string) {
	t.Helper()
	server := httptest.NewServer(api)
	address, _ := url.Parse(server.URL)
	port, _ := strconv.Atoi(address.Port())
	ctx, stop := context.WithCancel(context.Background())
	defer server.Close()
	defer stop()
	it := &seen{told: make(chan string, 100)}
	watched := Watched{Path: "/it", WatchPath: "/watch/it", Optional: true}
	go New(address.Hostname(), port).Follow(ctx, watched, it)
	for _, want := range expected {
		select {
		case got := <-it.told:
			if got != want {
				t.Fatalf("told %q, want %q", got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("never told %q", want)
		}
	}
	select {
	case more := <-it.told:
		t.Fatalf("told %q besides", more)
	case <-time.After(50 * time.Millisecond):
	}
}

func TestAWatchThatEndsGoesOnWhereItWas(t *testing.T) {
	api := &fakeAPI{state: object("a", 1), watches: []string{
		event("MODIFIED", object("b", 2)), event("MODIFIED", object("c", 3)), "",
	}}
	follow(t, api, []string{
		"reset " + object("a", 1), "MODIFIED " + object("b", 2), "MODIFIED " + object("c", 3),
	})
	want := []string{
		"/it", "/watch/it?resourceVersion=1", "/watch/it?resourceVersion=2",
		"/watch/it?resourceVersion=3",
	}
	if got := strings.Join(api.asked[:4], " "); got != strings.Join(want, " ") {
		t.Errorf("asked %s", got)
	}
}

func TestWhatIsTooLongAgoIsReadAnew(t *testing.T) {
	expired := event("ERROR", `{"kind":"Status","code":410,"message":"too old resource version"}`)
	for _, gone := range []string{"gone", expired} {
		api := &fakeAPI{state: object("a", 7), watches: []string{gone}}
		follow(t, api, []string{"reset " + object("a", 7), "reset " + object("a", 7)})
		// The object's version would be too old for ever.
		if got := api.asked[3]; got != "/watch/it" {
			t.Errorf("asked %s", got)
		}
	}
}

func TestBookmarksMoveTheVersionAndTellNothing(t *testing.T) {
	api := &fakeAPI{state: object("a", 1), watches: []string{event("BOOKMARK", object("", 9))}}
	follow(t, api, []string{"reset " + object("a", 1)})
	if api.asked[2] != "/watch/it?resourceVersion=9" {
		t.Errorf("asked %v", api.asked)
	}
}

func TestWhatIsNotThereYetIsWatchedFor(t *testing.T) {
	api := &fakeAPI{watches: []string{event("ADDED", object("a", 5))}}
	follow(t, api, []string{"reset ", "ADDED " + object("a", 5)})
	if api.asked[1] != "/watch/it" {
		t.Errorf("asked %v", api.asked)
	}
}

func TestAnAnswerThatIsCutIsTriedAgain(t *testing.T) {
	api := &fakeAPI{state: object("a", 1), watches: []string{`{"type":"MODI`, event("DELETED", object("a", 2))}}
	follow(t, api, []string{"reset " + object("a", 1), "DELETED " + object("a", 2)})
}
