package dtab

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// The samples were read off the real parser: input, verdict, canonical text or message. "\n" in them
// is a line break.
const samples = "../../../../../tests/data/dtab-samples.tsv"

func TestSamplesOfTheRealParser(t *testing.T) {
	file, err := os.Open(samples)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, rows := bufio.NewScanner(file), 0
	lines.Scan() // the headings
	for ; lines.Scan(); rows++ {
		columns := strings.Split(strings.ReplaceAll(lines.Text(), `\n`, "\n"), "\t")
		input, verdict, want := columns[0], columns[1], columns[2]
		table, err := Parse(input)
		got := table.String()
		if err != nil {
			got = err.Error()
		}
		if (err == nil) != (verdict == "OK") || got != want {
			t.Errorf("%q: got %q, want %s %q", input, got, verdict, want)
		}
	}
	if rows < 80 {
		t.Errorf("only %d samples read", rows)
	}
}

func TestWhatIsShownReadsBackTheSame(t *testing.T) {
	for _, text := range []string{"/a=>2.00*(/b | /c) & /d", `/\x61\x20\x62=>$ | !`, "/*/x=>/"} {
		table, err := Parse(text)
		if err != nil || table.String() != text {
			t.Errorf("%q became %q, %v", text, table, err)
		}
	}
}
