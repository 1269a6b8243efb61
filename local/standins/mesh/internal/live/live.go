// Package live computes values from sources that change, again whenever one of them does.
//
// A computation reads cells through a Reads, which remembers them; Follow runs it again after any of
// those cells was set. A cell may be fed by a task that runs only while somebody reads it.
package live

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Reads is the set of cells that one computation depends on. Peek reads without depending.
type Reads struct {
	changed chan struct{}
	seen    map[source]bool // read in this pass
	held    map[source]bool // subscribed to
}

type source interface {
	subscribe(*Reads)
	unsubscribe(*Reads)
}

func newReads() *Reads {
	return &Reads{changed: make(chan struct{}, 1), held: map[source]bool{}}
}

func (r *Reads) begin() { r.seen = map[source]bool{} }

func (r *Reads) note(s source) {
	r.seen[s] = true
	if !r.held[s] {
		r.held[s] = true
		s.subscribe(r)
	}
}

// finish lets go of the sources that this pass did not read.
func (r *Reads) finish() {
	for s := range r.held {
		if !r.seen[s] {
			delete(r.held, s)
			s.unsubscribe(r)
		}
	}
}

func (r *Reads) notify() {
	select {
	case r.changed <- struct{}{}:
	default: // it knows already
	}
}

// Follow computes, emits, and does so again after each change, until ctx ends or compute or emit
// fails; it returns that error. compute's second result says whether there is a value yet.
func Follow[T any](
	ctx context.Context, compute func(*Reads) (T, bool, error), emit func(T) error,
) error {
	reads := newReads()
	defer func() { reads.begin(); reads.finish() }()
	for {
		reads.begin()
		value, known, err := compute(reads)
		reads.finish()
		if err == nil && known {
			err = emit(value)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-reads.changed:
		}
	}
}

var errEnough = errors.New("one value is enough")

// First waits for the first value of a computation.
func First[T any](ctx context.Context, compute func(*Reads) (T, bool, error)) (first T, err error) {
	err = Follow(ctx, compute, func(value T) error { first = value; return errEnough })
	if err == errEnough {
		err = nil
	}
	return first, err
}

// Cell holds a value that others follow.
type Cell[T any] struct {
	mu      sync.Mutex
	value   T
	known   bool
	readers map[*Reads]bool
	task    *task[T]
}

// task feeds a cell while it has readers, and for a while after the last one has gone.
type task[T any] struct {
	run    func(ctx context.Context, cell *Cell[T])
	linger time.Duration
	onIdle func()
	stop   context.CancelFunc // nil when not running
	idle   *time.Timer
}

// NewCell makes a cell without a value.
func NewCell[T any]() *Cell[T] { return &Cell[T]{readers: map[*Reads]bool{}} }

// NewFed makes a cell that `run` sets while it has readers. The task's context ends, the value is
// forgotten and onIdle is called when there has been no reader for the time `linger`.
func NewFed[T any](
	linger time.Duration, run func(ctx context.Context, cell *Cell[T]), onIdle func(),
) *Cell[T] {
	cell := NewCell[T]()
	cell.task = &task[T]{run: run, linger: linger, onIdle: onIdle}
	return cell
}

// Set gives the cell a value and wakes those who read it.
func (c *Cell[T]) Set(value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.known = value, true
	for reader := range c.readers {
		reader.notify()
	}
}

// Read gives the value, if there is one yet, and makes the computation depend on the cell.
func (c *Cell[T]) Read(reads *Reads) (T, bool) {
	reads.note(c)
	return c.Peek()
}

// Peek gives the value, if there is one, now.
func (c *Cell[T]) Peek() (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.known
}

func (c *Cell[T]) subscribe(reads *Reads) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readers[reads] = true
	if c.task == nil {
		return
	}
	if c.task.idle != nil {
		c.task.idle.Stop()
		c.task.idle = nil
	}
	if c.task.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		c.task.stop = stop
		go c.task.run(ctx, c)
	}
}

func (c *Cell[T]) unsubscribe(reads *Reads) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.readers, reads)
	if c.task != nil && len(c.readers) == 0 {
		c.task.idle = time.AfterFunc(c.task.linger, c.goIdle)
	}
}

func (c *Cell[T]) goIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.readers) > 0 || c.task.stop == nil {
		return
	}
	c.task.stop()
	c.task.stop = nil
	var none T
	c.value, c.known = none, false
	if c.task.onIdle != nil {
		c.task.onIdle()
	}
}
