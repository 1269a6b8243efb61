package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// version is a version of an app that can be told to misbehave while it stays ready.
type version struct {
	address string

	mu     sync.Mutex
	mode   string
	server *http.Server // nil while the port is closed
}

// modes are what a version can be told to do with requests.
var modes = map[string]func(http.ResponseWriter, *http.Request){
	"answer": answer,
	"slow": func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		answer(w, r)
	},
	"fifth": func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%5 == 0 {
			fail(w, r)
			return
		}
		answer(w, r)
	},
	"hang":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"fail":  fail,
	"reset": func(w http.ResponseWriter, _ *http.Request) { breakOff(w, "") },
	"break": func(w http.ResponseWriter, _ *http.Request) {
		breakOff(w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart")
	},
	"refuse": nil,
}

// asked counts the requests of the mode "fifth".
var asked atomic.Int64

func answer(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "%s (%s)!", os.Getenv("TARGET_WORLD"), os.Getenv("POD_IP"))
}

func fail(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }

// breakOff says something that is no whole answer and resets the connection.
func breakOff(w http.ResponseWriter, said string) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(connection, said)
	_ = connection.(*net.TCPConn).SetLinger(0)
	_ = connection.Close()
}

// serveTrouble serves a version at one address, and at another one what it is told by: POST /as/MODE.
// All else is answered there, so that it serves as a readiness probe.
func serveTrouble(address, control string) error {
	it := &version{address: address}
	if err := it.become("answer"); err != nil {
		return err
	}
	log.Print("listening on ", address, ", told by ", control)
	return http.ListenAndServe(control, http.HandlerFunc(it.serveControl))
}

func (v *version) serveControl(w http.ResponseWriter, r *http.Request) {
	mode, told := strings.CutPrefix(r.URL.Path, "/as/")
	if !told || r.Method != http.MethodPost {
		fmt.Fprintln(w, "ready")
		return
	}
	if err := v.become(mode); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	log.Print("from now on: ", mode)
}

// become changes what is done with requests. Where the port is closed, open connections end with it.
func (v *version) become(mode string) error {
	if _, known := modes[mode]; !known {
		return fmt.Errorf("no mode %q", mode)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mode = mode
	switch {
	case mode == "refuse" && v.server != nil:
		_ = v.server.Close()
		v.server = nil
	case mode != "refuse" && v.server == nil:
		listener, err := net.Listen("tcp", v.address)
		if err != nil {
			return err
		}
		v.server = &http.Server{Handler: v}
		go func(server *http.Server) { _ = server.Serve(listener) }(v.server)
	}
	return nil
}

func (v *version) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	mode := v.mode
	v.mu.Unlock()
	if serve := modes[mode]; serve != nil {
		serve(w, r)
	}
}
