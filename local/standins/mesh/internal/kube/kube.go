// Package kube reads and follows objects of a Kubernetes API that needs no credentials here, such as
// `kubectl proxy` gives.
package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Client talks to one API server over plain HTTP.
type Client struct {
	base string
	http *http.Client
}

// New makes a client of the API at host:port.
func New(host string, port int) *Client {
	return &Client{
		base: "http://" + net.JoinHostPort(host, strconv.Itoa(port)),
		http: &http.Client{Transport: &http.Transport{
			Proxy:               nil, // never by http_proxy: that is for the apps
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     time.Minute,
		}},
	}
}

// Status is an answer of the API that is no success.
type Status struct {
	Code    int
	Message string
}

func (s *Status) Error() string { return fmt.Sprintf("Kubernetes answers %d: %s", s.Code, s.Message) }

// writeWithin bounds each single request; watches have no bound.
const writeWithin = 30 * time.Second

// Do sends one request and gives the body of the answer; a *Status unless it is a success.
func (c *Client) Do(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	answer, err := c.send(ctx, method, path, content)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

func (c *Client) send(
	ctx context.Context, method, path string, body io.Reader,
) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	// As the real program, without a name: `kubectl proxy` puts its own there, which the API server
	// notes as who has written.
	request.Header.Set("User-Agent", "")
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	status := &Status{Code: answer.StatusCode, Message: string(text)}
	var said struct{ Message string }
	if json.Unmarshal(text, &said) == nil && said.Message != "" {
		status.Message = said.Message
	}
	return nil, status
}

// Follower is told of a thing's state, and of each change after it.
type Follower interface {
	// Reset gives the object or list as it is now; nil if there is none.
	Reset(state []byte) error
	// Event gives a change: ADDED, MODIFIED or DELETED, and the object.
	Event(kind string, object []byte) error
}

// Watched is an object or a list that can be followed.
type Watched struct {
	Path      string // read with GET
	WatchPath string // followed by a watch
	Optional  bool   // it may not be there, and come later
}

// The retries after trouble start fast and slow down to one in ten seconds, as linkerd's do.
const (
	firstBackoff = 10 * time.Millisecond
	maxBackoff   = 10 * time.Second
)

// Follow reads and watches until ctx ends. After trouble it goes on where it was; when that is too
// long ago for the API server (410 Gone) it reads everything anew and watches from then on.
func (c *Client) Follow(ctx context.Context, what Watched, follower Follower) {
	f := &following{client: c, what: what, follower: follower, backoff: firstBackoff}
	for ctx.Err() == nil {
		if err := f.once(ctx); err != nil && ctx.Err() == nil {
			f.trouble(err)
			f.pause(ctx)
		}
	}
}

type following struct {
	client   *Client
	what     Watched
	follower Follower
	version  string // of the state that was seen last
	known    bool
	expired  bool // the API server does not watch from that version any more
	backoff  time.Duration
	told     string // the trouble that was printed last
}

func (f *following) trouble(err error) {
	if text := err.Error(); text != f.told {
		f.told = text
		fmt.Printf("following %s: %s\n", f.what.Path, text)
	}
}

func (f *following) pause(ctx context.Context) {
	wait := f.backoff/2 + time.Duration(rand.Int63n(int64(f.backoff)))
	f.backoff = min(2*f.backoff, maxBackoff)
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

func (f *following) well() { f.backoff, f.told = firstBackoff, "" }

// once reads the state if need be, and watches until the watch ends.
func (f *following) once(ctx context.Context) error {
	if !f.known {
		if err := f.read(ctx); err != nil {
			return err
		}
	}
	// The version of an object that has not changed for long stays too old, however often it is
	// read. Without one a watch begins with the state of now.
	query := ""
	if f.version != "" && !f.expired {
		query = "?resourceVersion=" + url.QueryEscape(f.version)
	}
	answer, err := f.client.send(ctx, http.MethodGet, f.what.WatchPath+query, nil)
	if err != nil {
		return f.goneMeansAnew(err)
	}
	defer answer.Body.Close()
	events := json.NewDecoder(answer.Body)
	for {
		if err := f.event(events); err == io.EOF {
			return nil // watches end now and then
		} else if err != nil {
			return f.goneMeansAnew(err)
		}
	}
}

func (f *following) goneMeansAnew(err error) error {
	if status, ok := err.(*Status); ok && status.Code == http.StatusGone {
		f.known, f.expired = false, true
	}
	return err
}

func (f *following) read(ctx context.Context) error {
	state, err := f.client.Do(ctx, http.MethodGet, f.what.Path, nil)
	status, refused := err.(*Status)
	missing := refused && status.Code == http.StatusNotFound && f.what.Optional
	if err != nil && !missing {
		return err
	}
	if missing {
		state = nil
	}
	if err := f.follower.Reset(state); err != nil {
		return err
	}
	f.version, f.known = versionOf(state), true
	f.well()
	return nil
}

func (f *following) event(events *json.Decoder) error {
	var event struct {
		Type   string
		Object json.RawMessage
	}
	if err := events.Decode(&event); err != nil {
		return err
	}
	switch event.Type {
	case "ERROR":
		status := &Status{}
		_ = json.Unmarshal(event.Object, status)
		return status
	case "BOOKMARK":
	default:
		if err := f.follower.Event(event.Type, event.Object); err != nil {
			return err
		}
	}
	f.version, f.expired = versionOf(event.Object), false
	f.well()
	return nil
}

func versionOf(object []byte) string {
	var head struct {
		Metadata struct{ ResourceVersion string }
	}
	_ = json.Unmarshal(object, &head)
	return head.Metadata.ResourceVersion
}
