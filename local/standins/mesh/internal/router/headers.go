package router

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"

	"linkerd-canary.local/mesh/internal/dtab"
)

// The headers that linkerd reads and writes.
const (
	headerPrefix   = "L5d-"
	userDtab       = "L5d-Dtab"          // entries of the caller's
	contextDtab    = "L5d-Ctx-Dtab"      // the same, from one linkerd to the next
	contextTrace   = "L5d-Ctx-Trace"     // ids of the request and its parents
	requestID      = "L5d-Reqid"         // the root of them
	dstService     = "L5d-Dst-Service"   // the name asked for
	dstClient      = "L5d-Dst-Client"    // the name it was bound to
	dstResidual    = "L5d-Dst-Residual"  // what the name had left over
	linkerdError   = "L5d-Err"           // an answer of linkerd's own
	retryable      = "L5d-Retryable"     // the request may be sent again
	successClass   = "L5d-Success-Class" // 1.0, or 0.0 for a failure
	viaHeader      = "Via"
	sampleHeader   = "L5d-Sample"
	maxErrorHeader = 8 << 10
)

// takeDtab reads the entries that a request brings along and removes their headers.
func takeDtab(header http.Header) (dtab.Dtab, error) {
	var all dtab.Dtab
	for _, name := range []string{contextDtab, userDtab} {
		for _, text := range header.Values(name) {
			table, err := dtab.Parse(text)
			if err != nil {
				return nil, err
			}
			all = append(all, table...)
		}
		header.Del(name)
	}
	return all, nil
}

// clearContext removes all of linkerd's headers.
func clearContext(header http.Header) {
	for name := range header {
		if strings.HasPrefix(name, headerPrefix) {
			delete(header, name)
		}
	}
}

// addVia adds this linkerd to the header Via.
func addVia(header http.Header, major, minor int) {
	via := "1.1 linkerd"
	if major == 1 && minor == 0 {
		via = "1.0 linkerd"
	}
	if before := header.Values(viaHeader); len(before) > 0 {
		via = strings.Join(before, ", ") + ", " + via
	}
	header.Set(viaHeader, via)
}

const idLength = 8

// setTrace writes the ids of the next hop: a child of the ids that the request came with, or new
// ones. They are request, parent, root and flags, eight bytes each, in base64.
func setTrace(header http.Header) {
	trace, err := base64.StdEncoding.DecodeString(header.Get(contextTrace))
	if err != nil || len(trace) != 4*idLength {
		trace = make([]byte, 4*idLength)
		_, _ = rand.Read(trace[:idLength])
		copy(trace[idLength:], trace[:idLength])
		copy(trace[2*idLength:], trace[:idLength])
	} else {
		copy(trace[idLength:2*idLength], trace[:idLength])
		_, _ = rand.Read(trace[:idLength])
	}
	header.Set(contextTrace, base64.StdEncoding.EncodeToString(trace))
	header.Set(requestID, hex.EncodeToString(trace[2*idLength:3*idLength]))
	header.Del(sampleHeader)
}
