package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// app answers requests. Its latency and failure rate can be set while it runs.
type app struct {
	text, target, podIP string
	asJSON              bool
	latency             atomic.Int64
	failureRate         atomic.Uint64 // the bits of a float64
}

func (a *app) setFailureRate(rate float64) { a.failureRate.Store(math.Float64bits(rate)) }

// ServeHTTP answers any path but the two that change its behaviour.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/setLatency":
		a.serveSetting(w, r, "latency", a.changeLatency)
	case "/setFailureRate":
		a.serveSetting(w, r, "failureRate", a.changeFailureRate)
	default:
		a.serveText(w, r)
	}
}

func (a *app) serveText(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Duration(a.latency.Load()))
	if rand.Float64() < math.Float64frombits(a.failureRate.Load()) {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	text := a.text
	if a.podIP != "" {
		text += " (" + a.podIP + ")"
	}
	if a.target != "" {
		said, err := a.ask(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		text += " " + said
	}
	if a.asJSON {
		_ = json.NewEncoder(w).Encode(map[string]string{"api_result": text})
		return
	}
	_, _ = io.WriteString(w, text+"!")
}

// targets keeps connections open for as many requests as there may be at once.
var targets = &http.Client{Transport: &http.Transport{
	Proxy:               http.ProxyFromEnvironment,
	MaxIdleConnsPerHost: 100,
	IdleConnTimeout:     time.Minute,
}}

// ask gets the target's answer, passing linkerd's context on.
func (a *app) ask(from *http.Request) (string, error) {
	request, err := http.NewRequestWithContext(
		from.Context(), http.MethodGet, "http://"+a.target, nil)
	if err != nil {
		return "", err
	}
	for name, values := range from.Header {
		if strings.HasPrefix(name, "L5d-Ctx") {
			request.Header[name] = values
		}
	}
	answer, err := targets.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("invalid response %d", answer.StatusCode)
	}
	return string(body), err
}

func (a *app) serveSetting(
	w http.ResponseWriter, r *http.Request, name string, change func(string) error,
) {
	value := r.URL.Query().Get(name)
	switch {
	case r.Method != http.MethodPost:
		http.Error(w, "POST required", http.StatusMethodNotAllowed)
		return
	case value == "":
		http.Error(w, "missing required parameter: "+name, http.StatusBadRequest)
		return
	}
	if err := change(value); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Printf("set %s to %s\n", name, value)
	_, _ = io.WriteString(w, "ok")
}

func (a *app) changeLatency(text string) error {
	latency, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("latency is not a valid duration")
	}
	if latency > longestLatency {
		return fmt.Errorf("latency cannot exceed %s", longestLatency)
	}
	a.latency.Store(int64(latency))
	return nil
}

func (a *app) changeFailureRate(text string) error {
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("failureRate is not a valid float")
	}
	if !(rate >= 0 && rate <= 1) {
		return fmt.Errorf("failureRate must be between 0.0 and 1.0")
	}
	a.setFailureRate(rate)
	return nil
}
