package main

import (
	"testing"
	"time"
)

func TestDurationsAreTwitters(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10.seconds":       10 * time.Second,
		"1.minute":         time.Minute,
		"500.milliseconds": 500 * time.Millisecond,
		"2.days":           48 * time.Hour,
	} {
		if got, err := parseDuration(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "10", "10s", "10.fortnights", "0.seconds", "-1.second", "1.5.seconds"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%s is taken for %v", text, got)
		}
	}
}
