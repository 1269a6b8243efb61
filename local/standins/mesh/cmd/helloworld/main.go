// Command helloworld stands in for buoyantio/helloworld 0.1.6: it answers with a text and its
// address, and with what another service says if it has a target.
//
// With -addr=:7777 -text=Hello -target=world it answers "Hello (POD_IP) world (ITS_IP)!!", asking
// http://world by way of $http_proxy.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"linkerd-canary.local/mesh/internal/serve"
)

// longestLatency is the most that a request may be delayed.
const longestLatency = 10 * time.Second

func main() {
	addr := flag.String("addr", ":7777", "address to serve on")
	text := flag.String("text", "Hello", "text to serve")
	target := flag.String("target", "", "target service to call before returning")
	latency := flag.Duration("latency", 0, "time to sleep before processing request")
	failureRate := flag.Float64("failure-rate", 0, "rate of error responses to return")
	asJSON := flag.Bool("json", false, "return JSON instead of plaintext responses")
	protocol := flag.String("protocol", "http", "API protocol: http")
	flag.Parse()
	app := &app{text: *text, target: *target, podIP: os.Getenv("POD_IP"), asJSON: *asJSON}
	if fromEnvironment := os.Getenv("TARGET_WORLD"); fromEnvironment != "" {
		app.text = fromEnvironment
	}
	app.latency.Store(int64(*latency))
	app.setFailureRate(*failureRate)
	if err := run(app, *addr, *protocol, *latency, *failureRate); err != nil {
		serve.Exit("helloworld", err)
	}
}

func run(app *app, addr, protocol string, latency time.Duration, failureRate float64) error {
	switch {
	case protocol != "http":
		return fmt.Errorf("unsupported protocol: %s", protocol)
	case latency > longestLatency:
		return fmt.Errorf("latency cannot exceed %s", longestLatency)
	case failureRate < 0 || failureRate > 1:
		return fmt.Errorf("failure-rate must be between 0.0 and 1.0")
	case flag.NArg() > 0:
		return fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		return err
	}
	group := serve.New("helloworld", "buoyantio/helloworld 0.1.6")
	if err := group.Listen("http", host, number, app); err != nil {
		return err
	}
	return group.Wait()
}
