package live

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

func sum(cells ...*Cell[int]) func(*Reads) (int, bool, error) {
	return func(reads *Reads) (int, bool, error) {
		total, allKnown := 0, true
		for _, cell := range cells {
			value, known := cell.Read(reads)
			total, allKnown = total+value, allKnown && known
		}
		return total, allKnown, nil
	}
}

func TestAComputationRunsAgainWhenWhatItReadChanges(t *testing.T) {
	a, b := NewCell[int](), NewCell[int]()
	values := make(chan int)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_ = Follow(ctx, sum(a, b), func(value int) error { values <- value; return nil })
	}()
	a.Set(1)
	b.Set(2)
	for value := 0; value != 3; value = <-values {
	}
	b.Set(10)
	if value := <-values; value != 11 {
		t.Errorf("got %d", value)
	}
}

func TestFirstWaitsUntilAllIsKnown(t *testing.T) {
	a, b := NewCell[int](), NewCell[int]()
	a.Set(1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := First(ctx, sum(a, b)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	b.Set(2)
	if value, err := First(context.Background(), sum(a, b)); value != 3 || err != nil {
		t.Errorf("got %d, %v", value, err)
	}
}

func TestAnErrorEndsIt(t *testing.T) {
	broken := errors.New("broken")
	err := Follow(context.Background(), func(*Reads) (int, bool, error) { return 0, false, broken },
		func(int) error { return nil })
	if err != broken {
		t.Errorf("got %v", err)
	}
}

// feeding counts what becomes of a cell that is fed the number 1.
type feeding struct{ running, started, idle atomic.Int32 }

func (f *feeding) cell(linger time.Duration) *Cell[int] {
	return NewFed(linger, func(ctx context.Context, cell *Cell[int]) {
		f.running.Add(1)
		f.started.Add(1)
		cell.Set(1)
		<-ctx.Done()
		f.running.Add(-1)
	}, func() { f.idle.Add(1) })
}

func TestAFedCellIsFedOnForALittleWhile(t *testing.T) {
	var it feeding
	cell := it.cell(time.Hour)
	if it.started.Load() != 0 {
		t.Error("fed before anybody reads it")
	}
	for i := 0; i < 3; i++ {
		if _, err := First(context.Background(), sum(cell)); err != nil {
			t.Error(err)
		}
	}
	if it.started.Load() != 1 {
		t.Errorf("started %d times for readers one after the other", it.started.Load())
	}
}

func TestAFedCellThatNobodyReadsIsForgotten(t *testing.T) {
	var it feeding
	cell := it.cell(time.Millisecond)
	if value, _ := First(context.Background(), sum(cell)); value != 1 {
		t.Errorf("got %d", value)
	}
	waitFor(t, func() bool { return it.running.Load() == 0 && it.idle.Load() == 1 })
	if _, known := cell.Peek(); known {
		t.Error("the value is kept although nobody feeds it")
	}
	if value, _ := First(context.Background(), sum(cell)); value != 1 || it.started.Load() != 2 {
		t.Error("not fed again")
	}
}

func TestWhatIsNoLongerReadIsLetGo(t *testing.T) {
	which := NewCell[bool]()
	stopped := make(chan struct{})
	fed := NewFed(time.Millisecond, func(ctx context.Context, cell *Cell[int]) {
		cell.Set(1)
		<-ctx.Done()
		close(stopped)
	}, nil)
	which.Set(true)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	read := make(chan bool)
	go func() {
		_ = Follow(ctx, func(reads *Reads) (bool, bool, error) {
			wanted, _ := which.Read(reads)
			if wanted {
				fed.Read(reads)
			}
			return wanted, true, nil
		}, func(wanted bool) error { read <- wanted; return nil })
	}()
	<-read
	which.Set(false)
	for wanted := true; wanted; wanted = <-read {
	}
	<-stopped
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came about")
		}
	}
}
