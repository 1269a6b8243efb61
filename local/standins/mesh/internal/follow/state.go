package follow

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/namerapi"
	"linkerd-canary.local/mesh/internal/naming"
)

// record is what the admin page shows of a question. As in the real program it stays when nobody
// asks any more.
type record struct {
	mu    sync.Mutex
	runs  int   // streams: for a moment a new one and the one before it
	State state `json:"state"`
	Poll  poll  `json:"poll"`
}

type state struct {
	Running       bool   `json:"running"`
	LastStartedAt string `json:"lastStartedAt,omitempty"`
	LastStoppedAt string `json:"lastStoppedAt,omitempty"`
	LastUpdatedAt string `json:"lastUpdatedAt,omitempty"`
	Value         any    `json:"value,omitempty"`
}

// poll differs from the real one in what it holds of the answer: the real one is thrift's.
type poll struct {
	Request        request         `json:"request"`
	LastRequestAt  string          `json:"lastRequestAt,omitempty"`
	Response       json.RawMessage `json:"response,omitempty"`
	LastResponseAt string          `json:"lastResponseAt,omitempty"`
	Error          string          `json:"error,omitempty"`
}

type request struct {
	Name      string `json:"name"`
	Dtab      string `json:"dtab"`
	Stamp     string `json:"stamp"`
	Namespace string `json:"namespace"`
}

// now is the time as Twitter's library shows it.
func now() string { return time.Now().UTC().Format("2006-01-02 15:04:05 -0700") }

// recordOf gives the record of a question; n.mu is held.
func (n *Namerd) recordOf(about question) *record {
	found := n.records[about]
	if found == nil {
		found = &record{}
		found.Poll.Request = request{Name: about.name, Dtab: about.dtab, Namespace: n.namespace}
		n.records[about] = found
	}
	return found
}

func (r *record) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *record) start() {
	r.change(func() {
		r.runs++
		r.State.Running, r.State.LastStartedAt = true, now()
	})
}

func (r *record) stop() {
	r.change(func() {
		r.runs--
		r.State.Running, r.State.LastStoppedAt = r.runs > 0, now()
	})
}

func (r *record) update(value any) {
	r.change(func() { r.State.Value, r.State.LastUpdatedAt = value, now() })
}

func (r *record) asked() { r.change(func() { r.Poll.LastRequestAt = now() }) }

func (r *record) answered(document json.RawMessage) {
	r.change(func() {
		r.Poll.Response, r.Poll.LastResponseAt, r.Poll.Error = document, now(), ""
		r.Poll.LastRequestAt = now() // the real program asks for the next one by a new request
	})
}

func (r *record) failed(err error) {
	r.change(func() {
		r.Poll.Response, r.Poll.LastResponseAt, r.Poll.Error = nil, now(), err.Error()
	})
}

// MarshalJSON writes the record as it is at one moment.
func (r *record) MarshalJSON() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	type plain record // without this method
	return json.Marshal((*plain)(r))
}

// Namespace is the dtab namespace that is followed.
func (n *Namerd) Namespace() string { return n.namespace }

// ServeState is linkerd's page interpreter_state: what it routes by, for the names it was asked for.
func (n *Namerd) ServeState(w http.ResponseWriter, _ *http.Request) {
	binds, addrs := map[string]map[string]*record{}, map[string]*record{}
	n.mu.Lock()
	for about, kept := range n.records {
		if about.kind == "addr" {
			addrs[about.name] = kept
			continue
		}
		if binds[about.name] == nil {
			binds[about.name] = map[string]*record{}
		}
		binds[about.name][about.dtab] = kept
	}
	n.mu.Unlock()
	shown := map[string]any{}
	if len(binds) > 0 {
		shown["bind"] = binds
	}
	if len(addrs) > 0 {
		shown["addr"] = addrs
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(shown); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out.Bytes())
}

// shownTree is a bound tree as the page shows it: names and weights, {} for what leads nowhere.
func shownTree(tree dtab.Tree[Bound]) any {
	switch tree.Kind {
	case dtab.Leaf:
		id, residual := tree.Leaf.ID.String(), tree.Leaf.Residual.String()
		return map[string]any{"value": map[string]string{"id": id, "path": residual}}
	case dtab.Union:
		branches := make([]map[string]any, len(tree.Union))
		for i, branch := range tree.Union {
			branches[i] = map[string]any{
				"weight": namerapi.Double(branch.Weight), "tree": shownTree(branch.Tree),
			}
		}
		return map[string]any{"trees": branches}
	}
	return map[string]any{}
}

// shownAddr is a set of endpoints as the page shows it, {} for none.
func shownAddr(addr naming.Addr) any {
	if !addr.Bound {
		return map[string]any{}
	}
	shown := make([]map[string]any, len(addr.Addrs))
	for i, each := range addr.Addrs {
		address := net.JoinHostPort(each.IP, strconv.Itoa(each.Port))
		shown[i] = map[string]any{"addr": address, "metadata": each.Meta}
	}
	return map[string]any{"addrs": shown}
}
