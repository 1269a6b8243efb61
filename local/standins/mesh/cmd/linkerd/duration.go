package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// units are those of Twitter's durations, in the singular.
var units = map[string]time.Duration{
	"nanosecond":  time.Nanosecond,
	"microsecond": time.Microsecond,
	"millisecond": time.Millisecond,
	"second":      time.Second,
	"minute":      time.Minute,
	"hour":        time.Hour,
	"day":         24 * time.Hour,
}

var duration = regexp.MustCompile(`^(\d{1,9})\.([a-z]+?)s?$`)

// parseDuration reads a positive duration as Twitter's flags write it, such as 10.seconds or
// 1.minute. Sums of several are not done.
func parseDuration(text string) (time.Duration, error) {
	parts := duration.FindStringSubmatch(text)
	if parts == nil || units[parts[2]] == 0 {
		return 0, fmt.Errorf("%q is not a duration such as 10.seconds", text)
	}
	number, err := strconv.Atoi(parts[1])
	if err == nil && number == 0 {
		err = fmt.Errorf("%q must be longer than nothing", text)
	}
	return time.Duration(number) * units[parts[2]], err
}
