package mtls

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"net"
	"sync"
	"time"

	"linkerd-canary.local/mesh/internal/metrics"
)

// handshakeTimeout is Finagle's default for connections whose handshake has no other limit.
const handshakeTimeout = 10 * time.Second

// protocols is the only one that linkerd speaks.
var protocols = []string{"http/1.1"}

// settings are those of either side: linkerd 1.x speaks TLS 1.2 alone.
func settings() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		MaxVersion: tls.VersionTLS12,
		NextProtos: protocols,
	}
}

// connection is one whose handshake is done. It is not a *tls.Conn, to which Go's HTTP server would
// answer in plain text if what comes first is no TLS.
type connection struct {
	net.Conn
	closed sync.Once
	open   *metrics.Gauge
}

func (c *connection) Close() error {
	c.closed.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// opened counts a connection at a place, until it is closed.
func opened(it net.Conn, stats metrics.Scope, took time.Duration) *connection {
	stats.Stat("handshake_latency_ms").Add(took.Milliseconds())
	open := stats.Gauge("connections")
	open.Add(1)
	return &connection{Conn: it, open: open}
}

// explained says of a failed handshake what linkerd's log does.
func explained(err error) error {
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		return fmt.Errorf("not an SSL/TLS record: %s", hex.EncodeToString(record.RecordHeader[:]))
	}
	return err
}

func logFailure(direction string, address net.Addr, err error) {
	log.Printf("TLS %s %s failed: %v", direction, address, explained(err))
}
