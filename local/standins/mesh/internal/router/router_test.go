package router

import (
	"math"
	"testing"
	"time"

	"linkerd-canary.local/mesh/internal/dtab"
	"linkerd-canary.local/mesh/internal/metrics"
	"linkerd-canary.local/mesh/internal/naming"
)

func testClient(name string) *client {
	path := dtab.MustPath("/#/" + name)
	stats := metrics.New().Scope("rt", "test", "client", name)
	return newClient(path, "#/"+name, stats, connector(nil, Pool{Most: 1})(stats))
}

func split(weights ...float64) *route {
	made, reach := &route{}, 0.0
	for i, weight := range weights {
		reach += weight
		made.branches = append(made.branches, &route{client: testClient(string(rune('a' + i)))})
		made.reach = append(made.reach, reach)
	}
	return made
}

func shares(r *route, draws int) map[string]float64 {
	counted, shares := map[string]int{}, map[string]float64{}
	for i := 0; i < draws; i++ {
		counted[r.draw().client.label]++
	}
	for label, times := range counted {
		shares[label] = float64(times) / float64(draws)
	}
	return shares
}

func TestDrawsFollowTheWeights(t *testing.T) {
	const draws = 100_000
	for _, each := range []struct{ weights, shares []float64 }{
		{[]float64{30, 70}, []float64{0.3, 0.7}},
		{[]float64{0, 1}, []float64{0, 1}},
		{[]float64{0, 0}, []float64{0.5, 0.5}},
		{[]float64{1, 0, 3}, []float64{0.25, 0, 0.75}},
		{[]float64{0}, []float64{1}},
	} {
		drawn := shares(split(each.weights...), draws)
		for i, want := range each.shares {
			got := drawn["#/"+string(rune('a'+i))]
			if bound := 5 * math.Sqrt(want*(1-want)/draws); math.Abs(got-want) > bound {
				t.Errorf("%v: branch %d got %.4f, want %.4f", each.weights, i, got, want)
			}
		}
	}
}

func addresses(ips ...string) []naming.Address {
	all := make([]naming.Address, len(ips))
	for i, ip := range ips {
		all[i] = naming.Address{IP: ip, Port: 80}
	}
	return all
}

func TestTheEndpointWithFewerRequestsIsPicked(t *testing.T) {
	c := testClient("a")
	c.update(addresses("192.0.2.1", "192.0.2.2"))
	c.endpoints[0].inFlight.Store(1)
	for i := 0; i < 20; i++ {
		if picked := c.pick(nil); picked != c.endpoints[1] {
			t.Fatalf("picked %s", picked.address)
		}
	}
}

func TestEndpointsThatRefuseRestAWhile(t *testing.T) {
	c := testClient("a")
	c.update(addresses("192.0.2.1", "192.0.2.2"))
	bad := c.endpoints[0]
	for i := 0; i < refusalsAllowed; i++ {
		bad.refused()
	}
	for i := 0; i < 20; i++ {
		if c.pick(nil) == bad {
			t.Fatal("picked one that refuses")
		}
	}
	if c.pick(map[*endpoint]bool{c.endpoints[1]: true}) != bad {
		t.Error("the last one left is tried all the same")
	}
	bad.answered()
	if bad.deadTill.Load() != 0 {
		t.Error("it still rests after an answer")
	}
}

func TestEndpointsThatStayKeepWhatIsKnown(t *testing.T) {
	c := testClient("a")
	c.update(addresses("192.0.2.1", "192.0.2.2"))
	kept := c.endpoints[1]
	c.update(addresses("192.0.2.2", "192.0.2.3"))
	if c.endpoints[0] != kept {
		t.Error("a new endpoint for the same address")
	}
	c.update(nil)
	if c.pick(nil) != nil {
		t.Error("picked one of none")
	}
}

func TestRetriesAreABudget(t *testing.T) {
	now := time.Unix(1000, 0)
	p := newPurse(Budget{TTL: 10 * time.Second, PerSecond: 1, Share: 0.5})
	p.now = func() time.Time { return now }
	for i := 0; i < 10; i++ {
		p.deposit()
	}
	if got := spend(p); got != 15 {
		t.Errorf("%d retries for 10 requests at once, want 10 at any rate and 5", got)
	}
	now = now.Add(5 * time.Second)
	if got := spend(p); got != 0 {
		t.Errorf("%d more before the time is over", got)
	}
	now = now.Add(6 * time.Second)
	if got := spend(p); got != 10 {
		t.Errorf("%d after it, want 10", got)
	}
}

func spend(p *purse) (spent int) {
	for p.withdraw() {
		spent++
	}
	return spent
}

func TestANodeIsASlash24(t *testing.T) {
	for _, each := range []struct {
		a, b string
		same bool
	}{
		{"10.0.1.2", "10.0.1.255", true},
		{"10.0.1.2", "10.0.2.2", false},
		{"10.0.1.2", "::ffff:10.0.1.9", true},
		{"10.0.1.2", "node", false},
	} {
		same := sameSubnet(naming.Address{IP: each.a}, naming.Address{IP: each.b})
		if same != each.same {
			t.Errorf("%s and %s: %v", each.a, each.b, same)
		}
	}
}

func TestANodeIsANameWithHostNetwork(t *testing.T) {
	on := func(node string) naming.Address {
		return naming.Address{IP: "192.0.2.1", Meta: map[string]any{"nodeName": node}}
	}
	endpoints := []naming.Address{on("here"), on("there"), {IP: "192.0.2.2"}}
	kept, known := LocalNodeByName("here").Apply(nil, endpoints)
	if !known || len(kept) != 1 || kept[0].Meta["nodeName"] != "here" {
		t.Errorf("kept %v", kept)
	}
}
