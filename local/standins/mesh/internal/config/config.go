// Package config reads the configuration files of linkerd and namerd, written as JSON (which is
// YAML too), and refuses what it does not know.
package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

// Object is one JSON object being read. Each key is taken once; Done complains about those that
// nobody took. The first mistake sticks, and the zero value is given from then on.
type Object struct {
	where  string // "routers[0].servers[1]", "" at the top
	fields map[string]json.RawMessage
	err    *error // shared by all objects of a file
}

// Load reads a file ("-" is the standard input) through `read`. The error names the file and the key.
func Load(file string, read func(*Object)) error {
	text, err := contents(file)
	if err != nil {
		return err
	}
	var mistake error
	top := &Object{err: &mistake}
	top.parse(text)
	if mistake == nil {
		read(top)
		top.Done()
	}
	if mistake != nil {
		return fmt.Errorf("%s: %w", file, mistake)
	}
	return nil
}

func contents(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file)
}

func (o *Object) parse(text json.RawMessage) {
	if err := json.Unmarshal(text, &o.fields); err != nil {
		if text = bytes.TrimSpace(text); len(text) > 0 && text[0] == '{' {
			o.Fail("is not JSON: %v", err)
		} else {
			o.Fail("must be an object in JSON (which is YAML too; other YAML is not read here)")
		}
	}
}

// Fail records a mistake about this object.
func (o *Object) Fail(format string, args ...any) {
	if *o.err == nil {
		*o.err = fmt.Errorf("%s"+format, append([]any{o.place()}, args...)...)
	}
}

func (o *Object) place() string {
	if o.where == "" {
		return ""
	}
	return o.where + ": "
}

func (o *Object) path(key string) string {
	return strings.TrimPrefix(o.where+"."+key, ".")
}

// Done complains about a key that was not taken.
func (o *Object) Done() {
	var left []string
	for key := range o.fields {
		left = append(left, key)
	}
	sort.Strings(left)
	if len(left) > 0 {
		o.Fail("unknown key %q", left[0])
	}
}

func (o *Object) take(key string) json.RawMessage {
	value := o.fields[key]
	delete(o.fields, key)
	if string(value) == "null" {
		return nil
	}
	return value
}

// Has reports whether a key is there and not null.
func (o *Object) Has(key string) bool {
	value, there := o.fields[key]
	return there && string(value) != "null"
}

// get decodes the value of a key, or leaves `into` as it is when the key is absent.
func get[T any](o *Object, key, expected string, into T) T {
	raw := o.take(key)
	if raw == nil || *o.err != nil {
		return into
	}
	if err := json.Unmarshal(raw, &into); err != nil {
		o.Fail("%s must be %s, not %s", key, expected, raw)
	}
	return into
}

// String gives a text, or fallback.
func (o *Object) String(key, fallback string) string { return get(o, key, "a text", fallback) }

// Int gives a whole number, or fallback.
func (o *Object) Int(key string, fallback int) int { return get(o, key, "a whole number", fallback) }

// Float gives a number, or fallback.
func (o *Object) Float(key string, fallback float64) float64 {
	return get(o, key, "a number", fallback)
}

// Bool gives true or false, or fallback.
func (o *Object) Bool(key string, fallback bool) bool {
	return get(o, key, "true or false", fallback)
}

// Texts gives an object whose values are texts.
func (o *Object) Texts(key string) map[string]string {
	return get(o, key, "an object of texts", map[string]string{})
}

// List gives a list of texts.
func (o *Object) List(key string) []string { return get(o, key, "a list of texts", []string(nil)) }

// Port gives a port number; 0 lets the system choose one.
func (o *Object) Port(key string, fallback int) int {
	port := o.Int(key, fallback)
	if port < 0 || port > 65535 {
		o.Fail("%s must be a port number, not %d", key, port)
	}
	return port
}

// Required gives a text that has to be there.
func (o *Object) Required(key string) string {
	if !o.Has(key) {
		o.Fail("%s is missing", key)
	}
	return o.String(key, "")
}

// Object gives the object of a key; an empty one where it is absent. The caller calls its Done.
func (o *Object) Object(key string) *Object {
	child := &Object{where: o.path(key), err: o.err}
	if raw := o.take(key); raw != nil {
		child.parse(raw)
	}
	return child
}

// Each calls `read` with each object of a list, and Done after it.
func (o *Object) Each(key string, read func(*Object)) {
	for i, raw := range get(o, key, "a list", []json.RawMessage(nil)) {
		child := &Object{where: fmt.Sprintf("%s[%d]", o.path(key), i), err: o.err}
		child.parse(raw)
		if *o.err == nil {
			read(child)
			child.Done()
		}
	}
}

// Kind takes the key "kind" and checks that it is one of those known.
func (o *Object) Kind(known ...string) string {
	kind := o.Required("kind")
	for _, each := range known {
		if kind == each {
			return kind
		}
	}
	o.Fail("kind %q is not one of %s", kind, strings.Join(known, ", "))
	return kind
}

// Ignore takes keys that have no effect here.
func (o *Object) Ignore(keys ...string) {
	for _, key := range keys {
		o.take(key)
	}
}

// NotDone refuses keys that the real program knows and the stand-in does not.
func (o *Object) NotDone(keys ...string) {
	for _, key := range keys {
		if o.Has(key) {
			o.Fail("the stand-in does not know %q", key)
		}
	}
}

// Admin is the administrative interface: its address, and whether it may control the program.
type Admin struct {
	IP      string
	Port    int
	Control bool
}

// TakeAdmin reads the section "admin", with the port that stands when there is none.
func TakeAdmin(top *Object, port int) Admin {
	o := top.Object("admin")
	defer o.Done()
	o.NotDone("tls", "httpIdentifierPort")
	security := o.Object("security")
	defer security.Done()
	security.NotDone("uiEnabled", "diagnosticsEnabled", "pathWhitelist", "pathBlacklist")
	return Admin{
		IP:      o.String("ip", "0.0.0.0"),
		Port:    o.Port("port", port),
		Control: security.Bool("controlEnabled", true),
	}
}
