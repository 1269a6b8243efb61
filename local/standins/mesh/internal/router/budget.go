package router

import (
	"sync"
	"time"
)

// Budget says how many retries there may be: a share of the requests of the last seconds, and some
// more at any rate.
type Budget struct {
	TTL       time.Duration // how long a request counts
	PerSecond float64       // retries that are always allowed
	Share     float64       // retries for each request
}

// DefaultBudget is linkerd's.
var DefaultBudget = Budget{TTL: 10 * time.Second, PerSecond: 10, Share: 0.2}

const budgetSlices = 10

// purse keeps account of one service's retries, in slices of the time that counts.
type purse struct {
	budget Budget
	now    func() time.Time

	mu       sync.Mutex
	slice    int64 // the number of the current one since the epoch
	deposits [budgetSlices]float64
	spent    [budgetSlices]float64
}

func newPurse(budget Budget) *purse { return &purse{budget: budget, now: time.Now} }

// deposit counts a request.
func (p *purse) deposit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deposits[p.advance()] += p.budget.Share
}

// withdraw takes a retry, if one is left.
func (p *purse) withdraw() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.advance()
	balance := p.budget.PerSecond * p.budget.TTL.Seconds()
	for i := range p.deposits {
		balance += p.deposits[i] - p.spent[i]
	}
	if balance < 1 {
		return false
	}
	p.spent[at]++
	return true
}

// advance empties the slices that are too old and gives the current one.
func (p *purse) advance() int {
	width := int64(p.budget.TTL) / budgetSlices
	current := p.now().UnixNano() / width
	if current-p.slice > budgetSlices {
		p.slice = current - budgetSlices
	}
	for p.slice < current {
		p.slice++
		p.deposits[p.slice%budgetSlices], p.spent[p.slice%budgetSlices] = 0, 0
	}
	return int(current % budgetSlices)
}
