package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"time"
)

// Retry says how long to wait before namerd is asked again after a failure.
type Retry struct {
	Base time.Duration // before the first time
	Max  time.Duration
}

// DefaultRetry is linkerd's.
var DefaultRetry = Retry{Base: 5 * time.Second, Max: 10 * time.Minute}

// maxShift keeps the doubling from overflowing.
const maxShift = 20

// backoff gives the waits of one stream, each longer than the last on average: at first Base, then
// anything up to 2, 4, 8 … times that and at most Max. An answer does not begin them anew: the
// real program hands the rest of its backoffs on from one answer to the next request, so a linkerd
// that has lost its namerd a few times comes back later each time.
func (r Retry) backoff() func() time.Duration {
	attempt := -1
	return func() time.Duration {
		if attempt = min(attempt+1, maxShift); attempt == 0 {
			return r.Base
		}
		return time.Duration(rand.Int63n(int64(min(r.Base<<attempt, r.Max))))
	}
}

// stream is one question that namerd answers again whenever the answer changes.
type stream struct {
	client  *http.Client
	url     string
	backoff func() time.Duration
	record  *record
}

// follow reads documents until ctx ends, and asks again whenever the stream breaks.
func follow[D any](ctx context.Context, s *stream, tell func(D)) {
	for told := ""; ctx.Err() == nil; {
		err := readDocuments(ctx, s, func(document D) {
			told = ""
			tell(document)
		})
		if ctx.Err() != nil {
			return
		}
		s.record.failed(err)
		if text := err.Error(); text != told {
			told = text
			fmt.Printf("following %s: %s\n", s.url, text)
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.backoff()):
		}
	}
}

func readDocuments[D any](ctx context.Context, s *stream, tell func(D)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return err
	}
	s.record.asked()
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1024))
		return fmt.Errorf("namerd answers %d %s", answer.StatusCode, text)
	}
	documents := json.NewDecoder(answer.Body)
	for {
		var raw json.RawMessage
		var document D
		if err := documents.Decode(&raw); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &document); err != nil {
			return err
		}
		s.record.answered(raw)
		tell(document)
	}
}
