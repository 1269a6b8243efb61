// Package serve runs a program's HTTP servers until it is told to stop.
package serve

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Grace is how long a stopping program waits for requests under way (linkerd's default).
const Grace = 10 * time.Second

// Group is the servers of one program.
type Group struct {
	program string
	ctx     context.Context // ends when the program is told to stop
	stop    context.CancelFunc
	servers []*http.Server
	failed  chan error
}

// New makes a group for a program, which says at once that it stands in for another.
func New(program, standsInFor string) *Group {
	fmt.Printf("%s: a stand-in for %s, not the real program\n", program, standsInFor)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	return &Group{program: program, ctx: ctx, stop: stop, failed: make(chan error, 1)}
}

// Stop ends the program as SIGTERM does.
func (g *Group) Stop() { g.stop() }

// Context ends when the program is told to stop. Streams that have no end of their own heed it.
func (g *Group) Context() context.Context { return g.ctx }

// Listen serves a handler at an address and prints "serving WHAT on IP:PORT".
func (g *Group) Listen(what, ip string, port int, handler http.Handler) error {
	plain := func(listener net.Listener) net.Listener { return listener }
	return g.ListenBy(what, ip, port, handler, plain)
}

// ListenBy does what Listen does, with what `wrap` makes of the listener.
func (g *Group) ListenBy(
	what, ip string, port int, handler http.Handler, wrap func(net.Listener) net.Listener,
) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("cannot serve %s: %w", what, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	g.servers = append(g.servers, server)
	go func() {
		if err := server.Serve(wrap(listener)); err != http.ErrServerClosed {
			g.failed <- fmt.Errorf("%s: %w", what, err)
		}
	}()
	fmt.Printf("serving %s on %s\n", what, listener.Addr())
	return nil
}

// Wait prints that all is served, waits for SIGTERM or SIGINT, and lets requests under way end.
func (g *Group) Wait() error {
	fmt.Printf("%s is ready\n", g.program)
	select {
	case err := <-g.failed:
		return err
	case <-g.ctx.Done():
	}
	g.stop() // a second signal ends the program at once
	grace, cancel := context.WithTimeout(context.Background(), Grace)
	defer cancel()
	done := make(chan struct{})
	for _, server := range g.servers {
		go func(server *http.Server) {
			_ = server.Shutdown(grace)
			done <- struct{}{}
		}(server)
	}
	for range g.servers {
		<-done
	}
	return nil
}

// Exit ends a program that cannot go on, with one line that says why.
func Exit(program string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
	os.Exit(1)
}

// ConfigFile gives the last argument of a program. Flags that it knows may stand before it, written
// as -NAME=VALUE; each is read by its function.
func ConfigFile(program string, flags map[string]func(value string) error) string {
	arguments := os.Args[1:]
	for len(arguments) > 1 {
		name, value, _ := strings.Cut(strings.TrimPrefix(arguments[0], "-"), "=")
		read, known := flags[name]
		if !known {
			break
		}
		if err := read(value); err != nil {
			Exit(program, fmt.Errorf("flag -%s: %w", name, err))
		}
		arguments = arguments[1:]
	}
	if len(arguments) != 1 || arguments[0] != "-" && strings.HasPrefix(arguments[0], "-") {
		fmt.Fprintf(os.Stderr, "usage: %s CONFIG_FILE\n", program)
		os.Exit(64)
	}
	return arguments[0]
}
